/**
 * A configuration for HAProxy 2.4 or later.
 *
 * A server that drains says 404 on /readyz, as it is asked to here, and one that cannot reach its store 503: both get no
 * new request, and the first finishes what it has. A request that did not reach
 * a server (refused connection) goes to the next one; one that did is never sent twice.
 */
import { type LbPlan, ROUTING_COOKIE } from "./plan.ts";

export function haproxyConfig({ servers, listen, certificate, sticky }: LbPlan): string {
  const bind = certificate === null ? "" : ` ssl crt ${certificate} alpn h2,http/1.1`;
  const secure = certificate === null ? "" : " secure";
  const lines = [
    "global",
    "  maxconn 10000",
    ...(certificate === null ? [] : ["  ssl-default-bind-options ssl-min-ver TLSv1.2"]),
    "",
    "defaults",
    "  mode http",
    "  timeout connect 1s",
    "  timeout client 75s",
    "  timeout server 30s",
    "  timeout http-request 10s",
    "  # Verifiers follow the revocations over a WebSocket.",
    "  timeout tunnel 1h",
    "  option redispatch 1",
    "  retries 3",
    "  # Only what no server has seen: whoever has it may have acted on it.",
    "  retry-on conn-failure",
    "",
    "frontend login",
    `  bind ${listen.host}:${listen.port}${bind}`,
    ...(certificate === null ? [] : ["  http-response set-header Strict-Transport-Security max-age=63072000"]),
    "  # Replaced, not appended to: what the client wrote there is nobody's word.",
    "  http-request set-header X-Forwarded-For %[src]",
    "  # Measurements are for the network inside.",
    "  http-request return status 404 if { path /metrics }",
    "  default_backend mapae",
    "",
    "backend mapae",
    "  balance leastconn",
    "  # A server that is stopping says 404: it gets nothing new and finishes what it has. One whose store does not answer",
    "  # says 503, and one that says nothing is down: what it had is cut off.",
    "  option httpchk GET /readyz?draining=404",
    "  http-check disable-on-404",
    "  http-check expect status 200",
    "  timeout check 2s",
    "  default-server check inter 1s fastinter 250ms downinter 500ms fall 3 rise 2 on-marked-down shutdown-sessions",
    ...(sticky
      ? [
          "  # The browser goes back to the server that it logged in at. One that is gone: another is chosen, and named anew.",
          `  cookie ${ROUTING_COOKIE} insert indirect nocache httponly${secure} attr "SameSite=Strict"`,
        ]
      : []),
    ...servers.map(({ name, host, port }) => `  server ${name} ${host}:${port}${sticky ? ` cookie ${name}` : ""}`),
    "",
  ];
  return lines.join("\n");
}
