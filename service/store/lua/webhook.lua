#!lua flags=allow-oom
-- webhook: makes an endpoint that begins with the next event, or changes one that is there.
-- A new secret takes the old one's place, which goes on signing beside it for a while.
-- KEYS 1 config  2 endpoints  3 endpoint  4 events
-- ARGV 1 id  2 how many the site may have ('' = change one that is there)
--      3 fields as a MessagePack list {name, value, name, value, ...}
-- Returns 1 done | 0 no such site, or no such endpoint | -1 the site has as many as it may
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local fields = cmsgpack.unpack(ARGV[3])
local there = redis.call('HGET', KEYS[3], 'secret')
if ARGV[2] == '' then
  if not there then return 0 end
elseif not there then
  if redis.call('SCARD', KEYS[2]) >= tonumber(ARGV[2]) then return -1 end
  local newest = redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)[1]
  redis.call('HSET', KEYS[3], 'cursor', newest and newest[1] or '0-0')
end
for i = 1, #fields, 2 do
  local replaced = fields[i] == 'secret' and there and there ~= fields[i + 1]
  if replaced then redis.call('HSET', KEYS[3], 'old_secret', there) end
  redis.call('HSET', KEYS[3], fields[i], fields[i + 1])
end
redis.call('SADD', KEYS[2], ARGV[1])
return 1
