-- Asks `mapae gate` about a request, for HAProxy 2.6 and later. The configuration sets txn.mapae_gate (where the gate is)
-- and txn.mapae_ask (what the route requires), and calls `http-request lua.mapae-gate`; the answer stands in
-- txn.mapae_status and its companions. Where anything goes wrong nothing is set, and the configuration answers 503: see
-- haproxy.cfg beside this file.

local TIMEOUT_MS = 1500 -- HAProxy asks up to four times

-- Response header of the gate, and the variable that it goes into.
local CARRIED = {
  ["x-mapae-subject"] = "txn.mapae_subject",
  ["x-mapae-session"] = "txn.mapae_session",
  ["x-mapae-client"] = "txn.mapae_client",
  ["x-mapae-scope"] = "txn.mapae_scope",
  ["x-mapae-roles"] = "txn.mapae_roles",
  ["x-mapae-problem"] = "txn.mapae_problem",
  ["www-authenticate"] = "txn.mapae_challenge",
}

core.register_action("mapae-gate", { "http-req" }, function(txn)
  -- Every Authorization header goes along: the gate refuses two.
  local sent = {}
  local authorization = txn.http:req_get_headers()["authorization"]
  if authorization ~= nil then
    local values = {}
    for _, value in pairs(authorization) do values[#values + 1] = value end
    sent["authorization"] = values
  end
  -- A client object serves one request.
  local answer = core.httpclient():get({
    url = txn:get_var("txn.mapae_gate") .. "/verify?" .. txn:get_var("txn.mapae_ask"),
    headers = sent,
    timeout = TIMEOUT_MS,
  })
  if answer == nil or answer.status == nil or answer.status == 0 then return end
  for header, variable in pairs(CARRIED) do
    local values = answer.headers[header]
    if values ~= nil then txn:set_var(variable, values[0] or values[1]) end
  end
  txn:set_var("txn.mapae_status", answer.status)
end)
