#!lua flags=allow-oom
-- remove: drops keys of a site that is gone; of a site made anew under the same id it drops none,
-- so that a remover who comes late cannot reach what is new.
-- KEYS 1 config  2.. keys to drop
-- ARGV 1 how many keys to drop
-- Returns how many were dropped | -1 the site is there
if redis.call('EXISTS', KEYS[1]) == 1 then return -1 end
local dropped = 0
for i = 2, ARGV[1] + 1 do dropped = dropped + redis.call('UNLINK', KEYS[i]) end
return dropped
