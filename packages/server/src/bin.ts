process.stderr.write("");
