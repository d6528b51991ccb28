#!lua flags=allow-oom
-- keep_once: writes a string unless one stands there; in a full store, too: a plain SET is refused
-- there, and with it would be every decision on many comments.
-- KEYS 1 the string
-- ARGV 1 value  2 ttl, s
-- Returns what stood there | nil when it was written
local found = redis.call('GET', KEYS[1])
if found then return found end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return false
