-- The same patterns and texts through rspamd's multi-pattern scan, which hands them to the same
-- engine: `rspamadm lua -b rspamd.lua -a PATTERNS -a TEXT`. Prints matches and seconds a scan.
-- Octets, not characters: its UTF-8 mode takes no `\b`.
local rspamd_trie = require "rspamd_trie"

local flags = rspamd_trie.flags
local patterns = {}
for line in io.lines(arg[1]) do patterns[#patterns + 1] = line end
local file = io.open(arg[2], "rb")
local text = file:read("*a")
file:close()

local set = rspamd_trie.create(patterns, flags.re + flags.icase)
local matches
local function scan()
    matches = 0
    set:match(text, function() matches = matches + 1 return 0 end)
end

local best
for _ = 1, 5 do
    local runs, began = 0, os.clock()
    repeat scan() runs = runs + 1 until os.clock() - began > 0.15
    local each = (os.clock() - began) / runs
    if not best or each < best then best = each end
end
print(string.format("%d %.9f", matches, best))
