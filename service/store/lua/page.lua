#!lua flags=no-writes
-- page: one page of a queue by priority, oldest or newest, behind a cursor.
-- Scores are priority band * 10^13 + ms (store/keys.py: place); the ten bands are each sorted by
-- time, so oldest and newest merge one page of each.
-- KEYS 1 queue
-- ARGV 1 'priority' | 'oldest' | 'newest'  2 how many (1..500)  3 cursor score ('' = start; a time
--      in ms for oldest and newest)  4 cursor id
-- Returns {id, score, id, score, ...}
local BAND, wanted = 1e13, tonumber(ARGV[2])
local down = ARGV[1] == 'newest'
local cursor, cursor_id = tonumber(ARGV[3]), ARGV[4]

local function beyond(at, id)
  if not cursor then return true end
  if at ~= cursor then return (at > cursor) ~= down end
  if id == cursor_id then return false end
  return (id > cursor_id) ~= down
end

local function keep(found, got, lo, hi, base)
  for i = 1, #got, 2 do
    local score = tonumber(got[i + 1])
    if score >= lo and score <= hi and beyond(score - base, got[i]) then
      found[#found + 1] = {got[i], score, score - base}
    end
  end
  return found
end

local function range(first, last, offset)
  local args = {'ZRANGE', KEYS[1], first, last}
  if offset then args[#args + 1] = 'BYSCORE' end
  if down then args[#args + 1] = 'REV' end
  for _, word in ipairs(offset and {'LIMIT', offset, wanted} or {}) do args[#args + 1] = word end
  args[#args + 1] = 'WITHSCORES'
  return redis.call(unpack(args))
end

-- The next `wanted` members of lo..hi: by rank where the cursor's comment still stands there (equal
-- scores may be many), else by score, and equal scores are skipped by id.
local function take(lo, hi, base)
  local found, at, from, to = {}, 0, lo, hi
  local stands = cursor and redis.call('ZSCORE', KEYS[1], cursor_id)
  if stands and tonumber(stands) == base + cursor then
    local rank = redis.call('ZRANK', KEYS[1], cursor_id)
    if down then rank = redis.call('ZCARD', KEYS[1]) - 1 - rank end
    return keep(found, range(rank + 1, rank + wanted), lo, hi, base)
  end
  if cursor and down then to = math.min(hi, base + cursor) end
  if cursor and not down then from = math.max(lo, base + cursor) end
  if down then from, to = to, from end
  while #found < wanted do
    local got = range(string.format('%.0f', from), string.format('%.0f', to), at)
    keep(found, got, lo, hi, base)
    if #got < wanted * 2 then break end
    at = at + wanted
  end
  return found
end

local rows = {}
if ARGV[1] == 'priority' then
  rows = take(0, 10 * BAND, 0)
else
  for band = 0, 9 do
    for _, row in ipairs(take(band * BAND, (band + 1) * BAND - 1, band * BAND)) do rows[#rows + 1] = row end
  end
  table.sort(rows, function(a, b)
    if a[3] ~= b[3] then return (a[3] < b[3]) ~= down end
    if a[1] == b[1] then return false end
    return (a[1] < b[1]) ~= down
  end)
end
local answer = {}
for i = 1, math.min(wanted, #rows) do
  answer[#answer + 1] = rows[i][1]
  answer[#answer + 1] = string.format('%.0f', rows[i][2])
end
return answer
