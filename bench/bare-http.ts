/** What HTTP costs by itself: a bare node:http server that reads a body and answers as many bytes as a refresh does. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const ANSWER = JSON.stringify({ padding: "x".repeat(1100) });

const server = createServer((request, response) => {
  if (request.url === "/cpu") {
    const { user, system } = process.cpuUsage();
    const text = String((user + system) / 1e6);
    response.writeHead(200, { "content-length": text.length }).end(text);
    return;
  }
  request.on("data", () => {});
  request.on("end", () => {
    response.writeHead(200, { "content-type": "application/json", "content-length": ANSWER.length }).end(ANSWER);
  });
});
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
process.once("disconnect", () => process.exit(0));
