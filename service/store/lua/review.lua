#!lua flags=allow-oom
-- review: the one door for every change of a stored comment (decision, undo, edit, re-score):
-- done before? -> version equal? -> then state, queues, history, events and audit together.
-- KEYS 1 operation  2 comment  3 history  4 author  5 page  6 events  7 audit  8 audit head
--      9 leases  10 holders  11 latencies  12 stats  13 likeness
--      14.. queues it leaves, then queues it enters
-- ARGV 1 version it was read at  2 request hash ('' = no operation id)  3 operation ttl, s
--      4 status before  5 status after  6 id  7 score in the queues entered  8 history entry
--      9 event  10 actor  11 now, ms  12 '1' = a human's decision, '0' = clears it, '' = keeps it
--      13 new blob ('' = same)  14 ms since submission ('' = not counted)  15 number of queues left
--      16 '1' = test comment (author and page stay alone)  17 stats ttl, s  18 the decision to show
--      19 '1' = imported: old news, told to no webhook  20 what counts the wait in the stats
--      21 traceparent ('' = not traced)  22 audit entry: the history entry without its texts
-- Returns {'done', version, entry} | {'replayed', version, entry} | {'mismatch'} | {'gone'}
--       | {'stale', version, status, decision}
if ARGV[2] ~= '' then
  local seen = redis.call('GET', KEYS[1])
  if seen then
    local hash, version = unpack(cmsgpack.unpack(seen))
    if hash ~= ARGV[2] then return {'mismatch'} end
    -- Texts stand in the history only, so that erasing them there erases them.
    return {'replayed', version, redis.call('LINDEX', KEYS[3], version - 2) or ''}
  end
end
local state = redis.call('HMGET', KEYS[2], 'v', 's', 'd')
if not state[1] then return {'gone'} end
if state[1] ~= ARGV[1] or state[2] ~= ARGV[4] then
  return {'stale', tonumber(state[1]), state[2], state[3] or ''}
end
local version, left = tonumber(state[1]) + 1, 13 + tonumber(ARGV[15])

for i = 14, left do redis.call('ZREM', KEYS[i], ARGV[6]) end
for i = left + 1, #KEYS do redis.call('ZADD', KEYS[i], ARGV[7], ARGV[6]) end
redis.call('HSET', KEYS[2], 's', ARGV[5], 'v', version)
if ARGV[5] == 'pending' then redis.call('HSET', KEYS[2], 'q', ARGV[7]) end
if ARGV[12] == '1' then redis.call('HSET', KEYS[2], 'd', ARGV[18]) end
if ARGV[12] == '0' then redis.call('HDEL', KEYS[2], 'd') end
if ARGV[13] ~= '' then redis.call('HSET', KEYS[2], 'b', ARGV[13]) end
redis.call('RPUSH', KEYS[3], ARGV[8])
if ARGV[16] ~= '1' then
  if ARGV[4] ~= ARGV[5] then
    redis.call('HINCRBY', KEYS[4], ARGV[4], -1)
    redis.call('HINCRBY', KEYS[4], ARGV[5], 1)
  end
  if ARGV[4] == 'approved' or ARGV[5] == 'approved' then redis.call('HINCRBY', KEYS[5], 'rev', 1) end
end
redis.call('ZREM', KEYS[9], ARGV[6])
redis.call('HDEL', KEYS[10], ARGV[6])
redis.call('HDEL', KEYS[13], ARGV[6])
redis.call('XADD', KEYS[6], '*', 't', ARGV[9], 'id', ARGV[6], 'v', version, 's', ARGV[5],
  'f', ARGV[4], 'by', ARGV[10], 'at', ARGV[11], 'im', ARGV[19],
  unpack(ARGV[21] ~= '' and {'tp', ARGV[21]} or {}))
local head = redis.call('GET', KEYS[8]) or ''
local hash = redis.sha1hex(head .. ARGV[6] .. version .. ARGV[22])
redis.call('XADD', KEYS[7], '*', 'id', ARGV[6], 'v', version, 'e', ARGV[22], 'h', hash)
redis.call('SET', KEYS[8], hash)
if ARGV[12] == '1' then
  redis.call('HINCRBY', KEYS[12], 'decided', 1)
  redis.call('HINCRBY', KEYS[12], 'decided_' .. ARGV[5], 1)
  redis.call('EXPIRE', KEYS[12], ARGV[17])
end
if ARGV[14] ~= '' then
  redis.call('HINCRBY', KEYS[12], ARGV[20], 1)
  redis.call('LPUSH', KEYS[11], ARGV[14])
  redis.call('LTRIM', KEYS[11], 0, 999)
end
if ARGV[2] ~= '' then
  redis.call('SET', KEYS[1], cmsgpack.pack({ARGV[2], version}), 'EX', ARGV[3])
end
return {'done', version, ARGV[8]}
