"""The Lua that makes each verb of the queue one atomic round trip.

Every script reads the server's own clock, so that machines with different clocks agree on leases.
"""

from shared.clock import DAY_MS
from shared.fields import MAX_EVENTS
from shared.queue.limits import BURST_MS, LEASE_MS, Of

NOW_MS = """
local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
"""

# Takes the events of ARGV[8] requests at once, and answers for each by itself. Returns {now in ms,
# how many wait, 1 if a job should be enqueued, what became of each request ...} with the outcomes
# of shared/queue/push_command.py.
#
# A request has a number in its client's stream, and the numbers that come only grow. So what comes
# a second time, because its answer was lost, is known: it is taken already, unless it stands among
# those that were refused. ARGV[7] is the number up to which the client knows the answers; nobody
# asks for these again. Numbers left out were sent and not executed, for they came late or met an
# error: they are as good as refused. Of what comes after ARGV[5], when its client has given it up,
# nothing is taken.
#
# A request is charged to whoever has a limit (shared/queue/limits.py), once, and where one of them
# is reached it is refused: {5, which of its charges, for how many ms still}. Of a rate is kept when
# what came would have come at that rate, of a key how many events. What lies further ahead than the
# largest request can have put it is there because the clock was set back.
#
# A job is wanted when nobody drains, and again each time the buffer grows past a multiple of the
# batch size; never while one already waits in RQ.
#
# What the server spends on a call of single events is the commands in it, and each that writes is
# written to disk as well: so what is taken goes in as one RPUSH, however many requests brought it,
# but in slices because Lua's unpack holds about 8,000 values.
PUSH = (
    NOW_MS
    + f"""
local burst_ms, lease_ms, most_events, of_key = {BURST_MS}, {LEASE_MS}, {MAX_EVENTS}, '{Of.KEY}'
local day_ms = {DAY_MS}
"""
    + """
local buffer, accepted, awake, rq_queue = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local bytes, stream, refused = KEYS[5], KEYS[6], KEYS[7]
local batch_size, max_backlog, max_bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local limits, deadline, first, confirmed = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local requests = tonumber(ARGV[8])
local before = redis.call('LLEN', buffer)
local answer = {now_ms, before, 0}
if deadline > 0 and now_ms > deadline then
  for request = 1, requests do answer[3 + request] = 4 end
  return answer
end
local known = redis.call('MGET', stream, bytes, accepted, awake)
local last = tonumber(known[1] or 0)
for missing = math.max(last, tonumber(confirmed)) + 1, first - 1 do
  redis.call('ZADD', refused, missing, missing)
  redis.call('EXPIRE', refused, 604800)
end

local function append(from, to)
  for slice = from, to - 1, 1000 do
    redis.call('RPUSH', buffer, unpack(ARGV, slice, math.min(slice + 1000, to) - 1))
  end
end

local charge, from = 9 + 3 * requests, 9 + 3 * requests
for request = 1, requests do from = from + 3 * tonumber(ARGV[8 + 3 * request]) end
-- What is used up of each limit, and of which that is other than before.
local used, is_new_used = {}, {}
for slice = charge, from - 1, 3000 do
  local names = {}
  for at = slice, math.min(slice + 3000, from) - 1, 3 do names[#names + 1] = limits .. ARGV[at] end
  for place, found in ipairs(redis.call('MGET', unpack(names))) do
    used[ARGV[slice + 3 * place - 3]] = tonumber(found or 0) or 0
  end
end

local function is_daily(limit) return string.sub(limit, 1, 1) == of_key end

local function reached(from, to)
  for at = from, to - 1, 3 do
    local limit, events, most = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    local wait = 0
    if is_daily(limit) then
      if used[limit] + events > most then wait = day_ms - now_ms % day_ms end
    else
      local ahead = used[limit] - now_ms
      if ahead > burst_ms + math.max(lease_ms, most_events * 1000 / most) then
        used[limit] = 0
      elseif ahead >= burst_ms then
        wait = ahead - burst_ms + 1
      end
    end
    if wait > 0 then return {5, (at - from) / 3, math.ceil(wait)} end
  end
end

local function charge_for(from, to)
  for at = from, to - 1, 3 do
    local limit, events, most = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    is_new_used[limit] = true
    if is_daily(limit) then
      used[limit] = used[limit] + events
    else
      used[limit] = math.max(used[limit], now_ms) + events * 1000 / most
    end
  end
end

local size = before > 0 and tonumber(known[2] or 0) or 0
local after = before
local refusals = {}
-- Where the events begin that are taken and not appended yet.
local unappended = from
for request = 1, requests do
  local number = first + request - 1
  local at = 6 + 3 * request
  local count, length = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local charges_end = charge + 3 * tonumber(ARGV[at + 2])
  local is_new = number > last or redis.call('ZREM', refused, number) == 1
  local outcome = 1
  if is_new then
    if after >= max_backlog then
      outcome = 2
    elseif size >= max_bytes then
      outcome = 3
    else
      outcome = reached(charge, charges_end) or 1
    end
  end
  if is_new and outcome == 1 then
    charge_for(charge, charges_end)
    after, size = after + count, size + length
  else
    append(unappended, from)
    unappended = from + count
  end
  if outcome ~= 1 then
    refusals[#refusals + 1] = number
    refusals[#refusals + 1] = number
  end
  answer[3 + request] = outcome
  from, charge = from + count, charges_end
end
append(unappended, from)
if #refusals > 0 then
  redis.call('ZREMRANGEBYSCORE', refused, '-inf', confirmed)
  for slice = 1, #refusals, 1000 do
    redis.call('ZADD', refused, unpack(refusals, slice, math.min(slice + 999, #refusals)))
  end
  redis.call('EXPIRE', refused, 604800)
end
for limit in pairs(is_new_used) do
  local lasts = is_daily(limit) and 2 * day_ms or math.ceil(used[limit] - now_ms)
  local value = string.format('%.3f', used[limit])
  redis.call('SET', limits .. limit, value, 'PX', math.max(lasts, 1))
end
if first + requests - 1 > last then
  redis.call('SET', stream, first + requests - 1, 'EX', 604800)
end
answer[2] = after
if after == before then return answer end
redis.call('MSET', accepted, tonumber(known[3] or 0) + after - before, bytes, size)
local wanted = not known[4] or math.floor(after / batch_size) > math.floor(before / batch_size)
if wanted and redis.call('LLEN', rq_queue) == 0 then answer[3] = 1 end
return answer
"""
)

# Returns {batch_id, {events}, 1 if a job should be enqueued}, or {} where there is nothing to do. A
# batch whose lease has run out comes first: it is older than anything in the buffer.
#
# A new batch has its worker's share of what waits, from ARGV[3] to ARGV[6] events, and no more than
# ARGV[7] bytes, save where the first event alone has more. RPUSH goes in slices because Lua's
# unpack holds about 8,000 values.
#
# A job is wanted for the next idle worker while another batch waits and none is on its way: so each
# claim wakes one, and that one's claim the next, until all work or nothing waits.
CLAIM = (
    NOW_MS
    + """
local buffer, batches, awake, halted, bytes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local rq_queue, workers = KEYS[6], KEYS[7]
local prefix, new_id = ARGV[1], ARGV[2]
local batch_size, lease_ms, awake_ms = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local most, most_bytes, alive_ms = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
if redis.call('EXISTS', halted) == 1 then return {} end
-- A first write that frees memory: a Redis that is full lets a script go on that began so, and only
-- the workers can empty it.
redis.call('DEL', awake)
redis.call('SET', awake, 1, 'PX', awake_ms)

local function cut_off(list, count)
  local taken, size, is_full = 0, 0, false
  while taken < count and not is_full do
    local slice = redis.call('LRANGE', buffer, taken, math.min(taken + 1000, count) - 1)
    local fitting = 0
    for place, event in ipairs(slice) do
      is_full = size + #event > most_bytes and taken + place > 1
      if is_full then break end
      fitting, size = place, size + #event
    end
    if fitting > 0 then redis.call('RPUSH', list, unpack(slice, 1, fitting)) end
    taken = taken + fitting
  end
  redis.call('LTRIM', buffer, taken, -1)
  redis.call('DECRBY', bytes, size)
end

local id = redis.call('ZRANGEBYSCORE', batches, '-inf', now_ms, 'LIMIT', 0, 1)[1]
if not id then
  local waiting = redis.call('LLEN', buffer)
  if waiting == 0 then return {} end
  id = new_id
  local alive = redis.call('ZCOUNT', workers, now_ms - alive_ms, now_ms)
  local share = math.ceil(waiting / math.max(alive, 1))
  local count = math.min(math.max(share, batch_size), math.max(most, batch_size), waiting)
  if count == waiting and tonumber(redis.call('GET', bytes) or 0) <= most_bytes then
    redis.call('RENAME', buffer, prefix .. id)
    redis.call('DEL', bytes)
  else
    cut_off(prefix .. id, count)
  end
end
redis.call('ZADD', batches, now_ms + lease_ms, id)
local another_waits = redis.call('LLEN', buffer) >= batch_size
  or redis.call('ZCOUNT', batches, '-inf', now_ms) > 0
local wanted = another_waits and redis.call('LLEN', rq_queue) == 0
return {id, redis.call('LRANGE', prefix .. id, 0, -1), wanted and 1 or 0}
"""
)

# XX: a batch that somebody else finished meanwhile must not come back as an empty one.
LEASE = (
    NOW_MS
    + """
return redis.call('ZADD', KEYS[1], 'XX', now_ms + tonumber(ARGV[2]), ARGV[1])
"""
)

# Returns a salt: the one that is there, or else ARGV[1], which is kept for ARGV[2] ms.
SALT = """
local salt = redis.call('GET', KEYS[1])
if salt then return salt end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
"""

# Gives the batch back and lets nobody claim for a while; nothing, where somebody else finished it.
HALT = """
local batches, failures, halted = KEYS[1], KEYS[2], KEYS[3]
if not redis.call('ZSCORE', batches, ARGV[1]) then return 0 end
redis.call('HINCRBY', failures, ARGV[1], 1)
redis.call('SET', halted, ARGV[1], 'PX', ARGV[2])
redis.call('ZADD', batches, 'XX', 0, ARGV[1])
return 1
"""

# Returns 1 if the caller may go: the buffer is empty, and the next push will ask for a job.
LEAVE = """
if redis.call('LLEN', KEYS[1]) > 0 then return 0 end
redis.call('DEL', KEYS[2])
return 1
"""

# Returns 1 if no job is on its way and something waits that nobody drains, or a whole batch: then
# whoever is idle may help, also where those who drain are of a version that wakes nobody.
NEGLECTED = (
    NOW_MS
    + """
local buffer, batches, awake, halted, rq_queue = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
if redis.call('EXISTS', halted) == 1 or redis.call('LLEN', rq_queue) > 0 then return 0 end
if redis.call('ZCOUNT', batches, '-inf', now_ms) > 0 then return 1 end
local waiting = redis.call('LLEN', buffer)
if waiting >= tonumber(ARGV[1]) then return 1 end
if waiting > 0 and redis.call('EXISTS', awake) == 0 then return 1 end
return 0
"""
)

# Returns {accepted, queued, processing, failed batches, {batch ids}, {first event of each list},
# bytes queued, {what each spool reported}}.
SNAPSHOT = """
local buffer, accepted, batches, failures = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local bytes, spools = KEYS[5], KEYS[6]
local ids = redis.call('ZRANGE', batches, 0, -1)
local processing, heads = 0, {redis.call('LINDEX', buffer, 0) or nil}
for _, id in ipairs(ids) do
  processing = processing + redis.call('LLEN', ARGV[1] .. id)
  heads[#heads + 1] = redis.call('LINDEX', ARGV[1] .. id, 0) or nil
end
local queued = redis.call('LLEN', buffer)
local size = queued > 0 and tonumber(redis.call('GET', bytes) or 0) or 0
return {tonumber(redis.call('GET', accepted) or 0), queued, processing,
        redis.call('HLEN', failures), ids, heads, size, redis.call('HVALS', spools)}
"""

# A worker says that it is alive; those silent for longer than ARGV[2] ms are forgotten.
#
# Where the server's clock was set back, what was to last for seconds would last until the clock is
# there again: nothing is left to lie further ahead than it can have been put.
REPORT = (
    NOW_MS
    + """
local workers, batches, awake, halted = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local alive_ms, lease_ms = tonumber(ARGV[2]), tonumber(ARGV[3])

local function bring_back(moments, latest)
  for _, ahead in ipairs(redis.call('ZRANGEBYSCORE', moments, '(' .. latest, '+inf')) do
    redis.call('ZADD', moments, latest, ahead)
  end
end

local function shorten(mark, most_ms)
  if redis.call('PTTL', mark) > tonumber(most_ms) then redis.call('PEXPIRE', mark, most_ms) end
end

redis.call('ZADD', workers, now_ms, ARGV[1])
redis.call('ZREMRANGEBYSCORE', workers, '-inf', now_ms - alive_ms)
bring_back(workers, now_ms)
bring_back(batches, now_ms + lease_ms)
shorten(awake, ARGV[4])
shorten(halted, ARGV[5])
return 1
"""
)

# Returns how many workers reported within the last ARGV[1] ms; not those that seem to have done so
# later than now, for the clock was set back.
ALIVE = (
    NOW_MS
    + """
return redis.call('ZCOUNT', KEYS[1], now_ms - tonumber(ARGV[1]), now_ms)
"""
)
