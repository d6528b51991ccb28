#!lua flags=allow-oom
-- erase: takes out of one comment all that anybody wrote or that tells of a person, and what hangs on
-- it; a tombstone stays, as a new version with its event and audit entry. With the status 'erased' it
-- leaves every queue; else (kept long enough) it stays where it stands.
-- KEYS 1 comment  2 history  3 author  4 page  5 events  6 audit  7 audit head  8 leases  9 holders
--      10 likeness  11 notes  12 callback  13 callbacks due  14 text  15 idempotency  16 labels
--      17 order of labels  18 erasure  19.. queues it leaves
-- ARGV 1 version it was read at  2 status before  3 status after  4 id  5 tombstone  6 audit entry
--      7 actor  8 now, ms  9 '1' = test comment (author and page stay alone)
--      10 answer for a late retry of the submission ('' = it had no idempotency key)
--      11 bytes of the body's hash in front of that answer  12 number of label names
--      13.. label names, then the whole history as it is to be, this step last
-- Returns 1 done | 0 changed meanwhile
local state = redis.call('HMGET', KEYS[1], 'v', 's')
if state[1] ~= ARGV[1] or state[2] ~= ARGV[2] then return 0 end
local version, id = tonumber(state[1]) + 1, ARGV[4]
local seen = ARGV[10] ~= '' and redis.call('GET', KEYS[15])

for i = 19, #KEYS do redis.call('ZREM', KEYS[i], id) end
redis.call('HSET', KEYS[1], 'b', ARGV[5], 's', ARGV[3], 'v', version)
redis.call('HDEL', KEYS[1], 'p', 'd', 'q', 'i')
redis.call('DEL', KEYS[2])
local labels = tonumber(ARGV[12])
for i = 13, 12 + labels do
  redis.call('HDEL', KEYS[16], ARGV[i])
  redis.call('ZREM', KEYS[17], ARGV[i])
end
for i = 13 + labels, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[i]) end
if ARGV[9] ~= '1' then
  if ARGV[2] ~= ARGV[3] then redis.call('HINCRBY', KEYS[3], ARGV[2], -1) end
  if ARGV[2] == 'approved' then redis.call('HINCRBY', KEYS[4], 'rev', 1) end
  if tonumber(redis.call('GET', KEYS[14]) or 0) > 1 then
    redis.call('DECR', KEYS[14])
  else
    redis.call('DEL', KEYS[14])
  end
end
redis.call('ZREM', KEYS[8], id)
redis.call('HDEL', KEYS[9], id)
redis.call('HDEL', KEYS[10], id)
redis.call('DEL', KEYS[11])
redis.call('DEL', KEYS[12])
redis.call('ZREM', KEYS[13], id)
if seen then redis.call('SET', KEYS[15], string.sub(seen, 1, ARGV[11]) .. ARGV[10], 'KEEPTTL') end
redis.call('XADD', KEYS[5], '*', 't', 'comment.erased', 'id', id, 'v', version, 's', ARGV[3],
  'f', ARGV[2], 'by', ARGV[7], 'at', ARGV[8], 'im', '')
local head = redis.call('GET', KEYS[7]) or ''
local hash = redis.sha1hex(head .. id .. version .. ARGV[6])
redis.call('XADD', KEYS[6], '*', 'id', id, 'v', version, 'e', ARGV[6], 'h', hash)
redis.call('SET', KEYS[7], hash)
if ARGV[3] == 'erased' then redis.call('HINCRBY', KEYS[18], 'comments', 1) end
return 1
