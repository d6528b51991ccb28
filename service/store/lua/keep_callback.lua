#!lua flags=allow-oom
-- keep_callback: keeps what a website was told of a comment, unless the comment is erased.
-- KEYS 1 comment  2 author  3 callback
-- ARGV 1 the callback, sealed  2 the author's key it is sealed under (wrapped)  3 ttl, s
-- Returns 1 | 0 the comment is gone or erased
local status = redis.call('HGET', KEYS[1], 's')
if not status or status == 'erased' then return 0 end
if redis.call('HGET', KEYS[2], 'key') ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[3], ARGV[1], 'EX', ARGV[3])
return 1
