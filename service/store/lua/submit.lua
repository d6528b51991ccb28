#!lua
-- submit: writes a new comment, its place in the queues, its author, page and text records, its
-- events and its idempotency record, all or nothing. Refused when memory is full (no allow-oom).
-- KEYS 1 config  2 comment  3 author  4 page  5 text  6 events  7 stats  8 idempotency  9.. queues
-- ARGV 1 config version the verdict was made under  2 body hash  3 answer ('' = no idempotency key)
--      4 id  5 status  6 score  7 blob  8 private  9 email (encrypted)  10 name  11 now, ms
--      12 page url  13 page title  14 text window, s (0 = not counted)  15 idempotency ttl, s
--      16 stats ttl, s  17 test ('1' = leaves author, page and text alone)  18 written at, ms
--      19 '1' = imported: old news, told to no webhook  20 traceparent ('' = not traced)
--      21 the author's key that 8 and 9 are sealed under (wrapped)  22 '1' = it was made just now
--      23 what names the idempotency key
-- Returns {'stored'} | {'replayed', answer} | {'mismatch'} | {'stale'} config changed | {'gone'} no site
--       | {'rekeyed', key} the author has another key by now ('' = none)
if ARGV[3] ~= '' then
  local seen = redis.call('GET', KEYS[8])
  if seen then
    local hash = string.sub(seen, 1, #ARGV[2])
    if hash ~= ARGV[2] then return {'mismatch'} end
    return {'replayed', string.sub(seen, #ARGV[2] + 1)}
  end
end
-- A retry of this very call after a lost reply: the id is ours and already written, whatever has
-- changed since; 'stale' would make the caller store the comment a second time.
if redis.call('EXISTS', KEYS[2]) == 1 then return {'stored'} end
local config = redis.call('HGET', KEYS[1], 'version')
if not config then return {'gone'} end
if config ~= ARGV[1] then return {'stale'} end
-- A key that was read must still stand: an erasure in between took it, for good.
local key = redis.call('HGET', KEYS[3], 'key') or ''
if key ~= (ARGV[22] == '1' and '' or ARGV[21]) then return {'rekeyed', key} end

redis.call('HSET', KEYS[2], 'b', ARGV[7], 's', ARGV[5], 'v', 1, 'p', ARGV[8])
if ARGV[22] == '1' then redis.call('HSET', KEYS[3], 'key', ARGV[21]) end
if ARGV[5] == 'pending' then redis.call('HSET', KEYS[2], 'q', ARGV[6]) end
for i = 9, #KEYS do redis.call('ZADD', KEYS[i], ARGV[6], ARGV[4]) end
if ARGV[17] ~= '1' then
  redis.call('HSET', KEYS[3], 'email', ARGV[9], 'name', ARGV[10])
  redis.call('HSETNX', KEYS[3], 'first_at', ARGV[11])
  redis.call('HINCRBY', KEYS[3], ARGV[5], 1)
  redis.call('HSETNX', KEYS[4], 'url', ARGV[12])
  local first = tonumber(redis.call('HGET', KEYS[4], 'first_at'))
  if not first or tonumber(ARGV[18]) < first then redis.call('HSET', KEYS[4], 'first_at', ARGV[18]) end
  if ARGV[13] ~= '' then redis.call('HSET', KEYS[4], 'title', ARGV[13]) end
  if ARGV[5] == 'approved' then redis.call('HINCRBY', KEYS[4], 'rev', 1) end
  if ARGV[14] ~= '0' then
    redis.call('INCR', KEYS[5])
    redis.call('EXPIRE', KEYS[5], ARGV[14], 'NX')
  end
end
local traced = ARGV[20] ~= '' and {'tp', ARGV[20]} or {}
for _, fact in ipairs({'comment.submitted', 'comment.' .. ARGV[5]}) do
  redis.call('XADD', KEYS[6], '*', 't', fact, 'id', ARGV[4], 'v', 1, 's', ARGV[5], 'at', ARGV[11],
    'im', ARGV[19], unpack(traced))
end
redis.call('HINCRBY', KEYS[7], 'submitted', 1)
redis.call('HINCRBY', KEYS[7], 'submitted_' .. ARGV[5], 1)
if ARGV[5] == 'pending' then redis.call('HINCRBY', KEYS[7], 'held', 1) end
redis.call('EXPIRE', KEYS[7], ARGV[16])
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[8], ARGV[2] .. ARGV[3], 'EX', ARGV[15])
  redis.call('HSET', KEYS[2], 'i', ARGV[23])
end
return {'stored'}
