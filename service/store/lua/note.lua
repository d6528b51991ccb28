#!lua flags=allow-oom
-- note: adds a note to a comment; one that is there stays as it is.
-- KEYS 1 comment  2 notes  3 author
-- ARGV 1 note id  2 the note, sealed  3 how many a comment has at most  4 the author's key that 2 is
--      sealed under (wrapped)
-- Returns the note that stands | -1 no such comment | -2 as many as it can have | -3 it is erased
local status = redis.call('HGET', KEYS[1], 's')
if not status then return -1 end
if status == 'erased' or redis.call('HGET', KEYS[3], 'key') ~= ARGV[4] then return -3 end
local there = redis.call('HGET', KEYS[2], ARGV[1])
if there then return there end
if redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[3]) then return -2 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return ARGV[2]
