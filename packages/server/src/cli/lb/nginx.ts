/**
 * A configuration for nginx 1.22 or later, for `conf.d/` (inside `http`).
 *
 * nginx has no cookie that names a server: the routing cookie is a random word, set with the first answer, and the server
 * is found by its hash. The first request uses the word that its answer sets, so the log-in lands where the next one goes.
 */
import { type LbPlan, ROUTING_COOKIE } from "./plan.ts";

export function nginxConfig({ servers, listen, certificate, sticky }: LbPlan): string {
  const place = listen.host === "*" ? String(listen.port) : `${listen.host}:${listen.port}`;
  const secure = certificate === null ? "" : "; Secure";
  const lines = [
    ...(sticky
      ? [
          `map $cookie_${ROUTING_COOKIE} $mapae_route {`,
          `  "~^[0-9a-f]{32}$" $cookie_${ROUTING_COOKIE};`,
          "  default $request_id;",
          "}",
          `map $cookie_${ROUTING_COOKIE} $mapae_routing_cookie {`,
          '  "~^[0-9a-f]{32}$" "";',
          `  default "${ROUTING_COOKIE}=$request_id; Path=/; HttpOnly${secure}; SameSite=Strict";`,
          "}",
          "",
        ]
      : []),
    "map $http_upgrade $mapae_connection {",
    '  default "";',
    "  websocket upgrade;",
    "}",
    "",
    "upstream mapae {",
    ...(sticky
      ? ["  # Few browsers move when a server comes or goes.", "  hash $mapae_route consistent;"]
      : ["  least_conn;"]),
    ...servers.map(({ host, port }) => `  server ${host}:${port} max_fails=2 fail_timeout=2s;`),
    "  keepalive 64;",
    "}",
    "",
    "server {",
    `  listen ${place}${certificate === null ? "" : " ssl http2"};`,
    ...(certificate === null
      ? []
      : [
          `  ssl_certificate ${certificate};`,
          `  ssl_certificate_key ${certificate};`,
          "  ssl_protocols TLSv1.2 TLSv1.3;",
          '  add_header Strict-Transport-Security "max-age=63072000" always;',
        ]),
    ...(sticky ? ["  add_header Set-Cookie $mapae_routing_cookie always;"] : []),
    "  # The server answers 413 above 64 KiB itself; this keeps larger bodies off it.",
    "  client_max_body_size 128k;",
    "",
    "  # Measurements are for the network inside.",
    "  location = /metrics {",
    "    return 404;",
    "  }",
    "",
    "  location / {",
    "    proxy_pass http://mapae;",
    "    proxy_http_version 1.1;",
    "    proxy_set_header Connection $mapae_connection;",
    "    proxy_set_header Upgrade $http_upgrade;",
    "    proxy_set_header Host $host;",
    "    # Replaced, not appended to: what the client wrote there is nobody's word.",
    "    proxy_set_header X-Forwarded-For $remote_addr;",
    "    proxy_connect_timeout 1s;",
    "    # Verifiers follow the revocations over a WebSocket, with a word each second.",
    "    proxy_read_timeout 75s;",
    "    # Goes to the next server: what could not be delivered, or what may be sent twice. A 503 of a server that drains too.",
    "    proxy_next_upstream error timeout http_503;",
    "  }",
    "}",
    "",
  ];
  return lines.join("\n");
}
