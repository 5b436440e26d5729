# Calls of every function of a header of dgm build, as text that is C and JavaScript: calls.h has the helpers for the one,
# calls.js for the other.  Arrays have the numbers of their parameters.
function dims(shape) { # [rows][2][3] as "2 3"
	sub(/\[rows\]/, "", shape)
	gsub(/[][]+/, " ", shape)
	gsub(/^ | $/, "", shape)
	return shape
}
function items(shape,   d, n, k, product) {
	n = split(dims(shape), d, " ")
	product = 1
	for (k = 1; k <= n; k++) product *= d[k]
	return product
}
/^struct .*_params \{/ { name = $2; sub(/_params$/, "", name); params = 0; reading = 1 }
reading && /const float/ {
	match($0, /(\[[0-9]+\])+/)
	shape = RSTART ? substr($0, RSTART, RLENGTH) : ""
	printf "param(%d, %d, \"%s\");\n", params++, items(shape), dims(shape)
}
/^};/ { reading = 0 }
/^int [A-Za-z0-9_]+_load\(/ {
	name = $2
	sub(/_load\(.*/, "", name)
	printf "loaded(%s_load(block(%s_size()), %s_size()%s));\n", name, name, name, params ? ", table(" params ")" : ""
	params = 0
}
/^ \*   [A-Za-z0-9_]+\[rows\]/ { # NAME[rows][..] in: domain, rule, range; what
	array = $2
	sub(/\[.*/, "", array)
	of = $2
	sub(/^[^[]*/, "", of)
	text[array] = $0
	shape_of[array] = of
}
/^int [A-Za-z0-9_]+\(const void \*model, size_t rows/ {
	f = $2
	sub(/\(.*/, "", f)
	list = $0
	sub(/^[^(]*\(const void \*model, size_t rows/, "", list)
	sub(/\);$/, "", list)
	n = split(list, part, /, /)
	call = "model, ROWS"
	arrays = 0
	for (k = 2; k <= n; k++) {
		p = part[k]
		a = p
		sub(/.*[ *]/, "", a)
		if (p ~ /^size_t work_size/) continue
		if (p ~ /^size_t/) call = call ", COUNT"
		else if (p ~ /random/) call = call ", chance()"
		else if (p ~ /void \*work/) call = call ", room(" f "_work(ROWS)), " f "_work(ROWS)"
		else { number[a] = arrays; order[arrays++] = a; call = call ", x[" number[a] "]" }
	}
	for (k = 0; k < arrays; k++) { # what it takes
		a = order[k]
		s = text[a]
		kind = s ~ /0 or 1|-1 or 1/ ? 1 : s ~ /whole numbers/ ? 2 : s ~ /, in \[0, 1\]|, from 0/ ? 3 : 0
		printf "values(%d, %d, %d, %d);\n", k, items(shape_of[a]), kind, s ~ /-1 or 1/ ? -1 : 0
		if (s ~ /block of /) {
			block = s
			sub(/.*block of /, "", block)
			sub(/[^0-9x].*/, "", block)
			gsub(/x/, " ", block)
			sums = -1
			if (match(s, /is in [A-Za-z0-9_]+/)) sums = number[substr(s, RSTART + 6, RLENGTH - 6)]
			printf "blocks(%d, %d, \"%s\", \"%s\");\n", k, sums, dims(shape_of[a]), block
		}
		if (s ~ /is filled in/) printf "unknown(%d, %d, %d);\n", k, items(shape_of[a]), s ~ /block of/
	}
	printf "begins(\"%s\", %s(%s));\n", f, f, call
	for (k = 0; k < arrays; k++)
		if (text[order[k]] ~ / (out|in and out): /) printf "tell(\"%s\", %d, %d);\n", order[k], k, items(shape_of[order[k]])
	delete text
}
