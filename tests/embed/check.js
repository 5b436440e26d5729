// What check.c does, with an object for wasm32 under Node: the same lines.  Call: node check.js OBJECT.wasm CALLS
const fs = require("fs");
const bytes = fs.readFileSync(process.argv[2]), calls = fs.readFileSync(process.argv[3], "utf8");
const { exports: f } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {});
const ROWS = 3, COUNT = 2, x = [];
let model, name, last, lines = [];
const bottom = (f.__heap_base.value + 15) & ~15;
const high = { at: bottom }; // what a function needs lies behind the model's block
let low = bottom;
const take = (size) => {
	const at = high.at;
	high.at = (at + size + 15) & ~15;
	const pages = Math.ceil((high.at - f.memory.buffer.byteLength) / 65536);
	if (pages > 0) f.memory.grow(pages);
	return at;
};
const floats = (at, n) => new Float32Array(f.memory.buffer, at, n);
const numbers = (s) => s.split(" ").filter((t) => t !== "").map(Number);
function uniform() {
	last = (Math.imul(last, 1664525) + 1013904223) >>> 0;
	return (last >>> 8) / 16777216;
}
function param(k, items, dims) {
	const dim = numbers(dims);
	if (k === 0) high.at = bottom;
	x[k] = take(4 * items);
	const to = floats(x[k], items);
	last = k;
	for (let i = 0; i < items; i++) {
		const u = uniform();
		to[i] = dim.length < 2 ? 0.1 + 0.4 * u : (4 * u - 2) / Math.sqrt(items / dim[dim.length - 1]);
	}
}
function table(n) {
	const at = take(4 * n);
	new Uint32Array(f.memory.buffer, at, n).set(x.slice(0, n));
	return at;
}
function block(size) {
	return (model = take(size));
}
function loaded(status) {
	lines.push(`load status ${status}`);
	low = high.at;
}
function values(k, items, kind, least) {
	if (k === 0) high.at = low;
	x[k] = take(4 * ROWS * items);
	const to = floats(x[k], ROWS * items);
	last = k;
	for (let i = 0; i < ROWS * items; i++) {
		const u = uniform();
		to[i] = [2 * u - 1, u < 0.5 ? least : 1, Math.floor(4 * u), u][kind];
	}
}
function blocks(k, sums, dims, extents) {
	const dim = numbers(dims), extent = numbers(extents);
	const items = dim.reduce((a, b) => a * b, 1), blocked = dim.reduce((a, b, i) => a * (b / extent[i]), 1);
	const to = floats(x[k], ROWS * items), from = sums < 0 ? null : floats(x[sums], ROWS * blocked);
	for (let i = 0; i < ROWS * items; i++) {
		let rest = i % items, number = 0, stride = 1, first = true;
		for (let a = dim.length - 1; a >= 0; a--) {
			const at = rest % dim[a];
			rest = Math.floor(rest / dim[a]);
			first = first && at % extent[a] === 0;
			number += Math.floor(at / extent[a]) * stride;
			stride *= dim[a] / extent[a];
		}
		to[i] = !first ? 0 : sums < 0 ? 1 : from[Math.floor(i / items) * blocked + number];
	}
}
function unknown(k, items, whole) {
	const to = floats(x[k], ROWS * items);
	for (let i = 0; i < to.length; i++) if (whole ? Math.floor(i / items) % 2 : i % 2) to[i] = NaN;
}
function chance() {
	const at = take(16);
	new BigUint64Array(f.memory.buffer, at, 2).set([5n, 0n]);
	return at;
}
const room = take;
function begins(what, status) {
	lines.push(`${(name = what)} status ${status}`);
}
function tell(what, k, items) {
	for (const v of floats(x[k], ROWS * items)) {
		const bits = new Uint32Array(new Float32Array([v]).buffer)[0];
		lines.push(`${name}.${what} ${Number(v.toPrecision(6))} ${bits.toString(16).padStart(8, "0")}`);
	}
}
eval(`with (f) { ${calls} }`);
console.log(lines.join("\n"));
