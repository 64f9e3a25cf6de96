# SPDX-License-Identifier: Apache-2.0
# The ```sh blocks of Markdown files, each into a file DIR/NNN.KIND (KIND: user,
# root, or file.NAME as the block's info string says), with where it stands in
# DIR/list: "NNN.KIND file:line".
/^```sh( |$)/ {
	kind = "user"
	if ($2 == "root")
		kind = "root"
	else if ($2 ~ /^file=/)
		kind = "file." substr($2, 6)
	else if ($2 == "host")
		kind = "host"
	name = sprintf("%03d.%s", ++count, kind)
	print name, FILENAME ":" FNR >> (dir "/list")
	inside = 1
	printf "" > (dir "/" name)
	next
}
/^```/ { inside = 0; next }
inside { print >> (dir "/" name) }
