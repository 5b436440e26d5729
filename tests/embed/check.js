// What check.c does, by bars.wasm under Node: the same lines.  Call: node check.js bars.wasm
const fs = require("fs");
const { exports: f } = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(process.argv[2])), {});
const ROWS = 7, UNITS = 16, HIDDEN = 16, ROOM = 1 << 16;

let top = f.__heap_base.value;
const room = (bytes) => {
	const at = (top + 15) & ~15;
	top = at + bytes;
	const pages = Math.ceil((top - f.memory.buffer.byteLength) / 65536);
	if (pages > 0) f.memory.grow(pages);
	return at;
};
const at = { model: room(ROOM), work: room(ROOM), v: room(4 * ROWS * UNITS), h: room(4 * ROWS * HIDDEN),
	mean: room(4 * ROWS * UNITS), out: room(4 * ROWS), state: room(16) };
const floats = (p, n) => new Float32Array(f.memory.buffer, p, n);
let failed = 0;
function tell(what, status, p, n) {
	failed |= status !== 0;
	for (const x of floats(p, n)) {
		const bits = new Uint32Array(new Float32Array([x]).buffer)[0];
		console.log(`${what} ${Number(x.toPrecision(9))} ${bits.toString(16).padStart(8, "0")}`);
	}
}
const v = floats(at.v, ROWS * UNITS), h = floats(at.h, ROWS * HIDDEN);
failed |= f.bars_load(at.model, ROOM);
new BigUint64Array(f.memory.buffer, at.state, 2).set([5n, 0n]);
for (let i = 0; i < v.length; i++) v[i] = i % 3 === 0 || i % 5 === 1;
let s = f.bars_free_energy(at.model, ROWS, at.v, at.out, at.work, ROOM);
tell("free_energy", s, at.out, ROWS);
s = f.bars_mean_h(at.model, ROWS, at.v, at.mean, at.work, ROOM);
tell("mean_h", s, at.mean, ROWS * HIDDEN);
s = f.bars_draw_h(at.model, ROWS, at.v, at.h, at.state, at.work, ROOM);
tell("draw_h", s, at.h, ROWS * HIDDEN);
s = f.bars_energy(at.model, ROWS, at.v, at.h, at.out, at.work, ROOM);
tell("energy", s, at.out, ROWS);
s = f.bars_pseudo_log_likelihood(at.model, ROWS, at.v, at.out, at.work, ROOM);
tell("pseudo_log_likelihood", s, at.out, ROWS);
s = f.bars_sample(at.model, ROWS, 20, at.v, at.h, at.state, at.work, ROOM);
tell("sample", s, at.v, ROWS * UNITS);
for (let i = 0; i < v.length; i++) v[i] = i % 2 ? NaN : v[i];
h.fill(NaN);
s = f.bars_complete(at.model, ROWS, 5, 20, at.v, at.h, at.mean, at.state, at.work, ROOM);
tell("complete", s, at.mean, ROWS * UNITS);
process.exit(failed ? 1 : 0);
