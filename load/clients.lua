-- Requests of many clients by turns of chance, for wrk: those early in the file often, the later
-- ones less and less. A line of the file LOAD_CLIENTS is one client: the value of its
-- Authorization header, a blank, the scope it asks for. The file is only its owner's to read: no
-- secret stands in a process list.
local requests = {}

function init(args)
  for line in io.lines(os.getenv("LOAD_CLIENTS")) do
    local authorization, scope = line:match("^(%S+ %S+) (%S+)$")
    local headers = { ["Authorization"] = authorization, ["Content-Type"] = "application/x-www-form-urlencoded" }
    requests[#requests + 1] = wrk.format("POST", nil, headers, "grant_type=client_credentials&scope=" .. scope)
  end
  math.randomseed(os.time())
end

function request()
  return requests[math.floor(#requests * math.random() ^ 2) + 1]
end

-- As in token.lua: one line of JSON after wrk's own report.
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration_us":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
    summary.requests, summary.duration, e.connect, e.read, e.write, e.status, e.timeout))
end
