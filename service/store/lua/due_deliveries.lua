#!lua flags=allow-oom
-- due_deliveries: moves an endpoint's new events from the outbox into its queue, then leases what is
-- due. Cursor and deliveries are written together: an event is behind the cursor or in the queue.
-- Imported comments are old news and pass by. A lease that ran out (its worker died) makes the
-- delivery due again; time matters for that only.
-- KEYS 1 endpoint  2 events  3 deliveries  4 waiting  5 due  6 leased
-- ARGV 1 endpoint's id  2 events looked at, at most  3 waiting at most  4 leased at once, at most
--      5 lease, ms
-- Returns {id, delivery, id, delivery, ...}: what was leased
local endpoint = redis.call('HMGET', KEYS[1], 'cursor', 'events', 'paused', 'disabled')
if not endpoint[1] or endpoint[3] ~= '' or endpoint[4] ~= '' then return {} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local room = math.min(tonumber(ARGV[2]), tonumber(ARGV[3]) - redis.call('ZCARD', KEYS[4]))
local facts = {}
if room > 0 then
  facts = redis.call('XRANGE', KEYS[2], '(' .. endpoint[1], '+', 'COUNT', room)
end
local expired = redis.call('ZRANGE', KEYS[6], '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)

local wanted = ' ' .. endpoint[2] .. ' '
for _, fact in ipairs(facts) do
  local told = {}
  for i = 1, #fact[2], 2 do told[fact[2][i]] = fact[2][i + 1] end
  if told.im ~= '1' and string.find(wanted, ' ' .. told.t .. ' ', 1, true) then
    local id, at = 'msg_' .. ARGV[1] .. '_' .. fact[1], tonumber(told.at)
    redis.call('HSET', KEYS[3], id, cmsgpack.pack(
      {told.t, told.id, tonumber(told.v), told.s, told.f or '', at, 0, 0, 0, 0, '',
        told.tp or ''}))
    redis.call('ZADD', KEYS[4], at, id)
    redis.call('ZADD', KEYS[5], now, id)
  end
end
if #facts > 0 then redis.call('HSET', KEYS[1], 'cursor', facts[#facts][1]) end

for _, id in ipairs(expired) do
  redis.call('ZREM', KEYS[6], id)
  redis.call('ZADD', KEYS[5], now, id)
end
local free = tonumber(ARGV[4]) - redis.call('ZCARD', KEYS[6])
if free <= 0 then return {} end
local answer = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[5], '-inf', now, 'BYSCORE', 'LIMIT', 0, free)) do
  local delivery = cmsgpack.unpack(redis.call('HGET', KEYS[3], id))
  delivery[7] = delivery[7] + 1
  local packed = cmsgpack.pack(delivery)
  redis.call('HSET', KEYS[3], id, packed)
  redis.call('ZREM', KEYS[5], id)
  redis.call('ZADD', KEYS[6], now + tonumber(ARGV[5]), id)
  answer[#answer + 1] = id
  answer[#answer + 1] = packed
end
return answer
