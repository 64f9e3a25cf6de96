# SPDX-License-Identifier: Apache-2.0
# The keys of the schema tables in C files, one a line, as the manual has them:
# TABLE|*KEY* (TYPE; default VALUE)|DOC
BEGIN {
	type["TRI"] = "true or false"
	type["INT"] = "number"
	type["REAL"] = "number"
	type["STR"] = "text"
	type["TEXT"] = "string"
	type["DURATION"] = "duration"
	type["ENUM"] = "one of"
	type["STRS"] = "list"
	type["MAP"] = "map of strings"
	type["LOOSEMAP"] = "map"
	type["NODE"] = "anything"
	type["STRUCT"] = "map"
	type["IGNORE"] = ""
}

# the strings of C that begin TEXT, joined
function literal(text,	all) {
	while (match(text, /^[ \t]*"([^"\\]|\\.)*"/)) {
		piece = substr(text, RSTART, RLENGTH)
		sub(/^[ \t]*"/, "", piece)
		sub(/"$/, "", piece)
		all = all piece
		text = substr(text, RSTART + RLENGTH)
	}
	gsub(/\\"/, "\"", all)
	return all
}

function after(text, mark) {
	return index(text, mark) ? substr(text, index(text, mark) + length(mark)) : ""
}

function row(rows, key, text,	kind, what, names, dflt) {
	match(text, /DISAGG_K_[A-Z]+/)
	kind = substr(text, RSTART + 9, RLENGTH - 9)
	what = type[kind]
	names = after(text, ".names = ")
	sub(/[^a-z_].*/, "", names)
	if (kind == "ENUM")
		what = what " @" names "@"
	if (text ~ /DISAGG_F_REQUIRED/)
		what = what "; required"
	dflt = literal(after(text, ".dflt = "))
	if (dflt != "")
		what = what "; default " dflt
	count++
	table_of[count] = rows
	line[count] = "*" key "*" (what == "" ? "" : " (" what ")") "|" literal(after(text, ".doc = "))
}

function rows_end(	parts, n, i) {
	n = split(body, parts, /\.key = /)
	for (i = 2; i <= n; i++) {
		if (parts[i] !~ /^"/ || parts[i] ~ /^name,/)
			continue
		row(rows, literal(parts[i]), parts[i])
	}
	n = split(body, parts, /PORT_ROW\(/)
	for (i = 2; i <= n; i++) {
		doc = parts[i]
		sub(/^"[^"]*", [A-Z_]+, /, "", doc)
		row(rows, literal(parts[i]), "DISAGG_K_INT .doc = " doc)
	}
}

/^(static )?const char \*const [a-z_]+\[.*\] = \{/ {
	array = $0
	sub(/.*const /, "", array)
	sub(/\[.*/, "", array)
	names_of[array] = ""
	in_names = 1
}
in_names {
	text = $0
	sub(/.*\] = /, "", text)
	while (match(text, /"[^"]*"/)) {
		names_of[array] = names_of[array] (names_of[array] == "" ? "" : ", ") \
			substr(text, RSTART + 1, RLENGTH - 2)
		text = substr(text, RSTART + RLENGTH)
	}
	if ($0 ~ /\};/)
		in_names = 0
	next
}
/^static const struct disagg_row [a-z_]+\[\] = \{/ {
	rows = $5
	sub(/\[.*/, "", rows)
	body = ""
	in_rows = 1
	next
}
in_rows && /^\};/ {
	rows_end()
	in_rows = 0
}
in_rows { body = body " " $0 }
/struct disagg_table [a-z_]+ = \{"/ {
	name = literal(after($0, "{"))
	rows_name = after($0, "\", ")
	sub(/\}.*/, "", rows_name)
	table[rows_name] = name
}
END {
	for (i = 1; i <= count; i++) {
		text = line[i]
		if (match(text, /@[a-z_]+@/))
			text = substr(text, 1, RSTART - 1) names_of[substr(text, RSTART + 1, RLENGTH - 2)] \
				substr(text, RSTART + RLENGTH)
		print table[table_of[i]] "|" text
	}
}
