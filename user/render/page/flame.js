// The flame graph. It shows frames of at least 1/2000 of the frame that is zoomed to. Each zoom draws the graph again from
// its frame, so that every frame can be reached.
const flameDetail = 2000;
const flameChildren = 12;

class Flame {
	constructor(section) {
		this.section = section;
		this.tree = callTree;
		this.root = 0;
		this.measure = Math.max(0, data.measures.findIndex(measure => measure.key === data.main));
		this.term = "";
		this.differential = data.stacks_before;
		this.chart = make("div", {id: "flame-chart", class: "scroll", tabindex: "0", role: "group", "aria-label": "flame graph"});
		this.crumbs = make("p", {class: "soft"});
		this.found = make("span", {class: "soft", role: "status"});
		this.list = make("table", {id: "flame-children"});
		section.querySelector(".static").replaceWith(this.tools(), this.crumbs, this.chart, this.list);
		whenNear(section, () => this.draw());
		addEventListener("resize", () => { clearTimeout(this.timer); this.timer = setTimeout(() => this.draw(), 150); });
	}

	tools() {
		const measures = make("select", {id: "flame-measure", onchange: event => { this.measure = Number(event.target.value); this.draw(); }},
			...data.measures.map((measure, index) => make("option", {value: String(index), selected: index === this.measure}, measure.name)));
		const search = make("input", {type: "search", id: "flame-search", oninput: event => { this.term = event.target.value.toLowerCase(); this.draw(); }});
		const invert = make("input", {type: "checkbox", id: "flame-invert", onchange: event => {
			this.tree = event.target.checked ? this.fromCallees ??= callTree.inverted() : callTree;
			this.zoom(0);
		}});
		const differential = make("input", {type: "checkbox", checked: true, onchange: event => { this.differential = event.target.checked; this.draw(); }});

		return make("div", {class: "tools"}, make("label", {}, "Width shows", measures), make("label", {}, "Search", search), this.found,
			make("label", {}, invert, "inverted: from callees to callers"),
			data.stacks_before ? make("label", {}, differential, "coloured by change") : null,
			make("button", {type: "button", onclick: () => this.zoom(0)}, "Reset zoom"));
	}

	zoom(node) {
		this.root = node;
		this.draw();
	}

	// Returns for each frame whether the search finds it. This is computed once a frame, because a frame is in many nodes.
	foundFrames() {
		return data.frames.map((frame, index) => this.term !== "" && frameText(index).toLowerCase().includes(this.term));
	}

	// Returns the nodes below a node whose sums are at least `least`, as the tree of objects that d3-flame-graph reads.
	visible(node, sums, before, least) {
		const children = this.tree.children(node).filter(child => sums[child] >= least);
		const name = this.tree.name(node);

		return {
			id: node, name, value: sums[node], delta: before ? sums[node] - before[node] : 0,
			found: node > 0 && this.foundIn[this.tree.frame[node]],
			children: children.map(child => this.visible(child, sums, before, least)),
		};
	}

	// Returns how much of the measure is in stacks with a frame that the search finds, each stack counted once.
	searched(sums) {
		let total = 0, frames = 0;
		const walk = [this.root];

		while (walk.length) {
			const node = walk.pop();

			if (node > 0 && this.foundIn[this.tree.frame[node]]) {
				total += sums[node];
				frames++;
			} else {
				for (let child = this.tree.firstChild[node]; child >= 0; child = this.tree.nextSibling[child])
					walk.push(child);
			}
		}
		return {total, frames};
	}

	draw() {
		const measure = data.measures[this.measure];
		const sums = this.tree.sum(this.measure);
		const before = data.stacks_before && this.differential ? this.tree.sum(this.measure, "before") : null;
		const width = Math.max(320, this.section.clientWidth);
		this.foundIn = this.foundFrames();
		const tree = this.visible(this.root, sums, before, sums[this.root] / flameDetail);
		const chart = vendor.flamegraph().width(width).cellHeight(19).minFrameSize(1).transitionDuration(0).title("")
			.tooltip(false).inverted(this.tree !== callTree)
			.setLabelHandler(node => `${node.data.name}: ${measureText(measure, node.data.value)}` +
				(before ? `, before ${measureText(measure, node.data.value - node.data.delta)}` : ""))
			.setColorMapper((node, colour) => node.data.found ? "#ffd54a" : before ? this.changeColour(node.data) : colour)
			.onClick(node => node && node.data.id !== this.root && (location.hash = this.tree === callTree ? `frame-${node.data.id}` : "", this.zoom(node.data.id)));

		this.chart.replaceChildren();
		if (sums[this.root] > 0)
			vendor.select(this.chart).datum(tree).call(chart);
		else
			this.chart.append(make("p", {}, `No ${measure.name} here.`));
		const svg = this.chart.querySelector("svg");
		if (svg) {
			svg.setAttribute("role", "img");
			svg.setAttribute("aria-label", `flame graph of ${measure.name}; the table below has the same frames`);
		}
		if (this.term) {
			const {total, frames} = this.searched(sums);

			this.found.textContent = `${countText(frames)} frames, ${measureText(measure, total)} of ${measureText(measure, sums[this.root])}`;
		} else {
			this.found.textContent = "";
		}
		this.drawCrumbs();
		this.drawChildren(sums, measure);
	}

	changeColour({value, delta}) {
		const strength = Math.min(1, Math.abs(delta) / Math.max(1, value, value - delta));
		const pale = Math.round(235 - 135 * strength);

		return delta > 0 ? `rgb(240,${pale},${pale})` : delta < 0 ? `rgb(${pale},${pale},245)` : "rgb(225,225,225)";
	}

	frameButton(node) {
		return make("button", {class: "open code", type: "button", onclick: () => this.zoom(node)}, this.tree.name(node));
	}

	drawCrumbs() {
		const path = [0, ...this.tree.path(this.root).reverse()];

		this.crumbs.replaceChildren("Zoomed to ", ...path.slice(-8).flatMap((node, index) => [index ? " \u203a " : "", this.frameButton(node)]),
			" ", ...(this.root > 0 && this.tree === callTree ? [make("a", {href: `#frame-${this.root}`}, "link to this frame")] : []));
	}

	drawChildren(sums, measure) {
		const children = this.tree.children(this.root).filter(node => sums[node] > 0).sort((a, b) => sums[b] - sums[a]);
		const rest = children.slice(flameChildren).reduce((sum, node) => sum + sums[node], 0);

		this.list.replaceChildren(make("caption", {}, `What ${this.tree.name(this.root)} ${this.tree === callTree ? "calls" : "is called by"}`),
			make("thead", {}, make("tr", {}, make("th", {scope: "col"}, "Frame"), make("th", {scope: "col", class: "number"}, measure.name))),
			make("tbody", {}, ...children.slice(0, flameChildren).map(node => make("tr", {}, make("td", {class: "place"}, this.frameButton(node)),
				make("td", {class: "number", "data-value": String(sums[node])}, measureText(measure, sums[node]), shareBar(sums[node], sums[this.root])))),
				...(rest > 0 ? [make("tr", {}, make("td", {}, `${countText(children.length - flameChildren)} more`),
					make("td", {class: "number"}, measureText(measure, rest)))] : [])));
	}

	// Zooms to the frame of a link.
	reveal(node) {
		if (!(node >= 0 && node < callTree.parent.length))
			return;
		this.tree = callTree;
		this.section.querySelector("#flame-invert").checked = false;
		this.zoom(node);
		this.section.scrollIntoView();
	}
}
