#!lua flags=no-writes
-- page: one page of a queue by priority, oldest or newest, behind a cursor.
-- Scores are priority band * 10^13 + ms (store/keys.py: place); the ten bands are each sorted by
-- time, so oldest and newest merge them, and read of each only what the page comes to.
-- KEYS 1 queue
-- ARGV 1 'priority' | 'oldest' | 'newest'  2 how many (1..500)  3 cursor score ('' = start; a time
--      in ms for oldest and newest)  4 cursor id
-- Returns {id, score, id, score, ...}
local BAND, wanted, down = 1e13, tonumber(ARGV[2]), ARGV[1] == 'newest'
local cursor = ARGV[3] ~= '' and {id = ARGV[4], at = tonumber(ARGV[3])} or nil
local bands, piece, answer = {{lo = 0, hi = 10 * BAND, base = 0}}, wanted, {}
if ARGV[1] ~= 'priority' then
  for n = 0, 9 do bands[n + 1] = {lo = n * BAND, hi = (n + 1) * BAND - 1, base = n * BAND} end
  piece = math.ceil(wanted / 4)
end

local function before(a, b)
  if a.at ~= b.at then return (a.at < b.at) ~= down end
  return a.id ~= b.id and (a.id < b.id) ~= down
end

local function keep(found, got, band, last)
  for i = 1, #got, 2 do
    local score = tonumber(got[i + 1])
    local row = {id = got[i], score = score, at = score - band.base}
    if score >= band.lo and score <= band.hi and (not last or before(last, row)) then
      found[#found + 1] = row
    end
  end
  return found
end

local function range(first, to, offset)
  local args = {'ZRANGE', KEYS[1], first, to}
  if offset then args[#args + 1] = 'BYSCORE' end
  if down then args[#args + 1] = 'REV' end
  for _, word in ipairs(offset and {'LIMIT', offset, piece} or {}) do args[#args + 1] = word end
  args[#args + 1] = 'WITHSCORES'
  return redis.call(unpack(args))
end

-- The next members of a band behind `last`, `piece` or more if it has as many: by rank where that
-- comment still stands there (equal scores may be many), else by score, and equal scores are
-- skipped by id.
local function take(band, last)
  local found, at, from, to = {}, 0, band.lo, band.hi
  local stands = last and redis.call('ZSCORE', KEYS[1], last.id)
  if stands and tonumber(stands) == band.base + last.at then
    local rank = redis.call('ZRANK', KEYS[1], last.id)
    if down then rank = redis.call('ZCARD', KEYS[1]) - 1 - rank end
    return keep(found, range(rank + 1, rank + piece), band, last)
  end
  if last and down then to = math.min(to, band.base + last.at) end
  if last and not down then from = math.max(from, band.base + last.at) end
  if down then from, to = to, from end
  while #found < piece do
    local got = range(string.format('%.0f', from), string.format('%.0f', to), at)
    keep(found, got, band, last)
    if #got < piece * 2 then break end
    at = at + piece
  end
  return found
end

for _, band in ipairs(bands) do band.rows, band.next = take(band, cursor), 1 end
while #answer < wanted * 2 do
  local first
  for _, band in ipairs(bands) do
    local row = band.rows[band.next]
    if row and (not first or before(row, first.rows[first.next])) then first = band end
  end
  if not first then break end
  local row = first.rows[first.next]
  answer[#answer + 1] = row.id
  answer[#answer + 1] = string.format('%.0f', row.score)
  first.next = first.next + 1
  local more = first.next > #first.rows and #first.rows >= piece and #answer < wanted * 2
  if more then first.rows, first.next = take(first, row), 1 end
end
return answer
