#!lua flags=allow-oom
-- liken: keeps what pending comments are compared by, of those that are still as they were read.
-- KEYS 1 likeness  2.. comments
-- ARGV 1 for each comment id, version and likeness, packed
-- Returns how many were kept
local kept = 0
for i, row in ipairs(cmsgpack.unpack(ARGV[1])) do
  local at = i + 1
  local state = redis.call('HMGET', KEYS[at], 's', 'v')
  if state[1] == 'pending' and tonumber(state[2]) == row[2] then
    redis.call('HSET', KEYS[1], row[1], row[3])
    kept = kept + 1
  end
end
return kept
