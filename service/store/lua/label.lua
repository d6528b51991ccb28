#!lua
-- label: keeps what somebody said of a text; said again of the same text, it replaces what stood.
-- Beyond the cap the oldest go.
-- KEYS 1 labels  2 their order  3 labels by the text's author
-- ARGV 1 name of the text  2 the label, sealed  3 when, in ms  4 how many are kept
--      5 '1' = the author of the text is known
-- Returns how many there are
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
if ARGV[5] == '1' then redis.call('SADD', KEYS[3], ARGV[1]) end
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[4])
if over > 0 then
  for _, name in ipairs(redis.call('ZRANGE', KEYS[2], 0, over - 1)) do
    redis.call('HDEL', KEYS[1], name)
    redis.call('ZREM', KEYS[2], name)
  end
end
return redis.call('ZCARD', KEYS[2])
