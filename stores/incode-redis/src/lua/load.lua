-- The rows a command reads, at one instant, with their fingerprint.
local rows, fingerprint = load_rows()
rows[1][9] = fingerprint
return rows
