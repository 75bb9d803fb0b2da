// The calling tree: nodes in arrays, a parent before its children; node 0 is the root. Sums of a measure are made once
// it is asked for.
class CallTree {
	constructor(parent, frame, leaves) {
		this.parent = parent;
		this.frame = frame;
		this.leaves = leaves; // {node, owner, allocating, values, before}
		this.sums = new Map();
		this.firstChild = new Int32Array(parent.length).fill(-1);
		this.nextSibling = new Int32Array(parent.length).fill(-1);
		for (let node = parent.length - 1; node > 0; node--) {
			this.nextSibling[node] = this.firstChild[parent[node]];
			this.firstChild[parent[node]] = node;
		}
	}

	// The tree of the page: parents are told by how much smaller their numbers are, leaves by columns.
	static read() {
		const {node, owner, allocating, values, before} = data.leaves;
		const leaves = node.map((each, index) => ({node: each, owner: owner[index], allocating: allocating[index],
			values: values.map(column => column[index]), before: before?.map(column => column[index])}));

		return new CallTree(data.nodes.up.map((up, index) => index - up), data.nodes.frame, leaves);
	}

	// The same stacks from their leaves: what is called, then by whom.
	inverted() {
		const parent = [0], frame = [-1], children = [new Map()];
		const leaves = this.leaves.map(leaf => {
			let at = 0;

			for (let node = leaf.node; node > 0; node = this.parent[node]) {
				let child = children[at].get(this.frame[node]);

				if (child === undefined) {
					child = parent.length;
					parent.push(at);
					frame.push(this.frame[node]);
					children.push(new Map());
					children[at].set(this.frame[node], child);
				}
				at = child;
			}
			return {...leaf, node: at};
		});

		return new CallTree(parent, frame, leaves);
	}

	// Per node, the sum of a measure over all stacks through it; of the older profile with `side` "before".
	sum(measure, side = "values") {
		const key = `${side} ${measure}`;

		if (!this.sums.has(key)) {
			const sums = new Float64Array(this.parent.length);

			for (const leaf of this.leaves)
				sums[leaf.node] += leaf[side]?.[measure] ?? 0;
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

const callTree = CallTree.read();
