// The calling tree. Nodes are stored in arrays, each parent before its children; node 0 is the root. Leaves are stored as
// columns. The sums of a measure are computed when they are first asked for.
class CallTree {
	constructor(parent, frame, leaves) {
		this.parent = parent;
		this.frame = frame;
		this.leaves = leaves; // {node, owner, allocating: frames or -1, values and before: a column for each measure}
		this.sums = new Map();
		this.firstChild = new Int32Array(parent.length).fill(-1);
		this.nextSibling = new Int32Array(parent.length).fill(-1);
		for (let node = parent.length - 1; node > 0; node--) {
			this.nextSibling[node] = this.firstChild[parent[node]];
			this.firstChild[parent[node]] = node;
		}
	}

	// Unpacks the tree of the page; page.h describes its format. Meanwhile the page answers.
	static async read(packed) {
		const stream = unbase64(packed).pipeThrough(new DecompressionStream("deflate"));
		const numbers = new Numbers(new Uint8Array(await new Response(stream).arrayBuffer()));
		const [nodes, count] = await numbers.read(new Float64Array(2));
		const parent = await numbers.read(new Int32Array(nodes), 1, (up, node) => node - up);
		const frame = await numbers.read(new Int32Array(nodes).fill(-1), 1);
		const steps = await numbers.read(new Float64Array(count)), owner = await numbers.read(new Float64Array(count));
		const allocating = await numbers.read(new Float64Array(count));
		const measured = async () => {
			const columns = [];

			for (let measure = 0; measure < data.measures.length; measure++)
				columns.push(await numbers.read(new Float64Array(count)));
			return columns;
		};
		let at = 0;

		return new CallTree(parent, frame, {
			node: Int32Array.from(steps, step => at += step % 2 ? -(step + 1) / 2 : step / 2),
			owner: owner.map(number => number - 1),
			allocating: allocating.map(number => number - 1),
			values: await measured(),
			before: data.stacks_before ? await measured() : null,
		});
	}

	// Returns the tree of the same stacks with callees at the top and their callers below. While it is built, a hash table
	// of node numbers finds a node by its parent and its frame.
	inverted() {
		let most = 1;
		for (const leaf of this.leaves.node)
			for (let node = leaf; node > 0; node = this.parent[node])
				most++;
		const bits = Math.ceil(Math.log2(2 * most)) + 1, mask = 2 ** bits - 1;
		const table = new Int32Array(2 ** bits), parent = new Int32Array(most), frame = new Int32Array(most).fill(-1);
		let count = 1;

		const leaves = this.leaves.node.map(leaf => {
			let at = 0;

			for (let node = leaf; node > 0; node = this.parent[node]) {
				let slot = (Math.imul(at, 0x9e3779b1) ^ Math.imul(this.frame[node] + 1, 0x85ebca6b)) >>> (32 - Math.min(bits, 32)) & mask;

				while (table[slot] && !(parent[table[slot]] === at && frame[table[slot]] === this.frame[node]))
					slot = slot + 1 & mask;
				if (!table[slot]) {
					table[slot] = count;
					parent[count] = at;
					frame[count++] = this.frame[node];
				}
				at = table[slot];
			}
			return at;
		});

		return new CallTree(parent.subarray(0, count), frame.subarray(0, count), {...this.leaves, node: leaves});
	}

	// Returns for each node the sum of a measure over all stacks through it; with `side` "before", of the older profile.
	sum(measure, side = "values") {
		const key = `${side} ${measure}`;

		if (!this.sums.has(key)) {
			const sums = new Float64Array(this.parent.length), values = this.leaves[side][measure];

			for (let leaf = 0; leaf < values.length; leaf++)
				sums[this.leaves.node[leaf]] += values[leaf];
			for (let node = sums.length - 1; node > 0; node--)
				sums[this.parent[node]] += sums[node];
			this.sums.set(key, sums);
		}
		return this.sums.get(key);
	}

	children(node) {
		const list = [];

		for (let child = this.firstChild[node]; child >= 0; child = this.nextSibling[child])
			list.push(child);
		return list;
	}

	path(node) {
		const list = [];

		for (; node > 0; node = this.parent[node])
			list.push(node);
		return list;
	}

	name(node) {
		return node === 0 ? "all" : data.frames[this.frame[node]][0];
	}
}

// Lets the browser answer what has come meanwhile.
function pause() {
	return new Promise(done => {
		const channel = new MessageChannel();

		channel.port1.onmessage = () => { channel.port1.close(); done(); };
		channel.port2.postMessage(null);
	});
}

// A stream of the bytes of a text in base64, decoded in pieces.
function unbase64(text) {
	const piece = 1 << 17; // a multiple of 4 characters, which are 3 bytes
	let at = 0;

	return new ReadableStream({
		async pull(controller) {
			const part = atob(text.slice(at, at + piece)), bytes = new Uint8Array(part.length);

			for (let index = 0; index < bytes.length; index++)
				bytes[index] = part.charCodeAt(index);
			controller.enqueue(bytes);
			at += piece;
			if (at >= text.length)
				controller.close();
			else
				await pause();
		},
	}, {highWaterMark: 1});
}

// Reads numbers in LEB128: seven bits in each byte, the lowest first; the top bit is set in all bytes of a number but the
// last.
class Numbers {
	static atATime = 1 << 16;

	constructor(bytes) {
		this.bytes = bytes;
		this.at = 0;
	}

	// Fills the array with the next numbers, from an index on; of each, `map` may make another one.
	async read(array, from = 0, map = null) {
		for (let end; from < array.length; from = end) {
			end = Math.min(array.length, from + Numbers.atATime);
			this.part(array, from, end);
			for (let index = from; map && index < end; index++)
				array[index] = map(array[index], index);
			if (end < array.length)
				await pause();
		}
		return array;
	}

	// Most numbers have one or two bytes.
	part(array, from, end) {
		const bytes = this.bytes;
		let at = this.at;

		for (let index = from; index < end; index++) {
			let byte = bytes[at++], value = byte & 127;

			for (let factor = 128; byte > 127; factor *= 128) {
				byte = bytes[at++];
				value += (byte & 127) * factor;
			}
			array[index] = value;
		}
		this.at = at;
	}
}

// The tree of the page; null until it has been read.
let callTree = null;
