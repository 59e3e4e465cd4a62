/**
 * Hashes of the password "Tablet 마패 on the road 7", made by the programs whose formats they are: passlib 1.7.4,
 * Django 5, Werkzeug 3, with low costs. `format` is what `inspectHash` calls them.
 */
export const SAMPLE_PASSWORD = "Tablet 마패 on the road 7";

export const SAMPLE_HASHES: readonly { readonly by: string; readonly format: string; readonly hash: string }[] = [
  {
    by: "django pbkdf2_sha256",
    format: "pbkdf2-sha256",
    hash: "pbkdf2_sha256$20000$Wq3nZ8aPb0Rt$jWgsGmqzzQGgRxBMZFyE83TzN63k41v0OQVCMHzAYEo=",
  },
  {
    by: "django pbkdf2_sha1",
    format: "pbkdf2-sha1",
    hash: "pbkdf2_sha1$20000$Wq3nZ8aPb0Rt$FzUaixQFcfXQw9IDQb8WkFNeVcM=",
  },
  {
    by: "django scrypt",
    format: "scrypt",
    hash: "scrypt$1024$Wq3nZ8aPb0Rt$8$2$dC0LA6nieOlgIvfWQD/UXcIbRx+KhGsF4UCkF3kbSTBZvrao7yPhGz/hhujoujaINXxdbGuNl3toefZ3zDs1vA==",
  },
  {
    by: "django bcrypt_sha256",
    format: "bcrypt-sha256",
    hash: "bcrypt_sha256$$2b$05$O3HAnZGgMu1tELxkdLpBAeqhJ1FP3v299axN2v7PMabOqsFnuECJS",
  },
  {
    by: "django bcrypt",
    format: "bcrypt",
    hash: "bcrypt$$2b$05$CqxRnmP9bWa5MWzEUZc0xOoJBYs6WSjNa.4.uNkbzJIqGJzd9hn/K",
  },
  {
    by: "django argon2",
    format: "argon2id",
    hash: "argon2$argon2id$v=19$m=64,t=1,p=2$YzI5dFpYTmhiSFI1YzJGc2RB$Im38jWH6YrUvmHKgADJIpkqV4Q7qsltbvW4GrBkKFEA",
  },
  {
    by: "passlib pbkdf2_sha1",
    format: "pbkdf2-sha1",
    hash: "$pbkdf2$2000$gfCec04J4fx/r7UWghDCeA$J/3N7pFZREeXB1/RFenzBnkkJtg",
  },
  {
    by: "passlib pbkdf2_sha256",
    format: "pbkdf2-sha256",
    hash: "$pbkdf2-sha256$2000$GUOIsTYGQMh5bw0hRCjl/A$XzYqGsEiQtgv9BltkxqwMUXVkxgx69PLVu.YdQwEYvg",
  },
  {
    by: "passlib pbkdf2_sha512",
    format: "pbkdf2-sha512",
    hash: "$pbkdf2-sha512$2000$ek.JUWpNKYWQcs7Zm3MuxQ$gNvlj0pgS35efImmp5deJYItjhA4ODRtkcVoUFSuawe3aE0HmeQsTevbeLFbnBc3cLJYMXl1yZGdM/.A2WnDFg",
  },
  {
    by: "passlib scrypt",
    format: "scrypt",
    hash: "$scrypt$ln=10,r=8,p=1$X8uZU+r9X0vpnXOu9d77/w$XYJjPoy6VqJAtw4kK9B0HTjf8BbAztCPOuYeUGwW2J0",
  },
  { by: "passlib bcrypt 2a", format: "bcrypt", hash: "$2a$05$A3V6vRktkeYTGY//VtCPbuAR4WdwatBAbEvCcppYM26/NejNVdd8G" },
  { by: "passlib bcrypt 2b", format: "bcrypt", hash: "$2b$05$EZiZ2zINXIV8H0KSbD3DhuD1DXdvowy9RGikQVhbsRjc64kd54vxm" },
  { by: "passlib bcrypt 2y", format: "bcrypt", hash: "$2y$05$y4R5PCqYl38m7Ld6GcAnm.Lhjxvbn.8w0FO5PObVAFNkEt5m0/.U6" },
  {
    by: "passlib argon2id",
    format: "argon2id",
    hash: "$argon2id$v=19$m=64,t=1,p=1$836v1Rqj9H5PCQHA+J9zrg$WjkbsMCmTddJkpp8hkqzHYF7DqCJVQAZ/dt+a7s3FwM",
  },
  {
    by: "passlib argon2i",
    format: "argon2i",
    hash: "$argon2i$v=19$m=64,t=1,p=1$3RvjXOu9l7K2NqZ0DkFI6Q$/ZEPzmz+HnSgd0O2Cqq+KHFN+WlOg3XR8vn1APYOc1c",
  },
  {
    by: "werkzeug scrypt",
    format: "scrypt",
    hash: "scrypt:1024:8:1$lwkATar1eoXXwPHA$68aaef1bdb44155a8aed84e140a4897f70347e36c1b959cc4af8da8502632774faaef81a910be951e13e81d2926f65c29f47437a5c25a757193a79bf8a260113",
  },
  {
    by: "werkzeug pbkdf2 sha256",
    format: "pbkdf2-sha256",
    hash: "pbkdf2:sha256:2000$tPCZNCL7tq5r9P1s$8dcc40320ec6af9ee328f249000310329ed48889d2423f32043e1f29591415a7",
  },
  {
    by: "werkzeug pbkdf2 sha512",
    format: "pbkdf2-sha512",
    hash: "pbkdf2:sha512:2000$7D8IQeDH568LGCzi$07d0f6f05da89c4a29e4cd0a4cc66cf408c9f755c55c5923dd069d610a845983c64f01e42cf4c5ca60f440c64b19c66bd733d7d904d9fd9ee76d6739e495c390",
  },
];
