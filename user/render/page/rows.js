// A list of rows: a table of source lines that can be sorted, filtered and opened. A line that allocates in several ways is
// several rows of the data; it has their sum, and opens to them. A list that is ordered has a line for each of its rows.
const rowsAtATime = 50;
const membersShown = 200;
const hasWords = data.rows.some(row => row.words);
const rowsToFilter = 8; // an ordered list of fewer is read as it is

// The sum of what was measured. It has no interval of its own: that does not follow from those of its rows.
function sumOf(rows, member) {
	return data.measures.map((measure, index) => {
		const known = rows.map(row => row[member]?.[index]).filter(value => value !== null && value !== undefined);

		return known.length ? known.reduce((sum, value) => sum + value, 0) : null;
	});
}

// Of how many of the rows that allocate that sum lacks a number, because no sample hit them.
function withoutOf(rows, member) {
	const allocates = row => [...row.values ?? [], ...row.before ?? []].some(value => value > 0);

	return data.measures.map((measure, index) =>
		rows.filter(row => row[member] && row[member][index] === null && allocates(row)).length);
}

// Rows of one verdict and source line. A row without a place, or that allocates nothing, is a line of its own; what no line
// of the program allocates is one.
function linesOf(rows, ordered = false) {
	const lines = new Map();

	if (ordered)
		return rows.map(row => ({...row, rows: [row]}));
	for (const row of rows) {
		const folds = row.file && row.line && !row.gone && row.values?.some(value => value > 0);
		const key = row.verdict === "outside" ? row.verdict : folds ? `${row.verdict}\n${row.file}\n${row.line}` : row.id;

		lines.get(key)?.push(row) ?? lines.set(key, [row]);
	}
	return [...lines.values()].map(members => members.length === 1 ? {...members[0], rows: members} : {
		id: `line-${members[0].id}`, rows: members, verdict: members[0].verdict, file: members[0].file, line: members[0].line,
		values: sumOf(members, "values"), before: members.some(row => row.before) ? sumOf(members, "before") : undefined,
		values_without: withoutOf(members, "values"), before_without: withoutOf(members, "before"),
	});
}

// "newobject of json.Decoder"
function callText(row) {
	return [row.call?.replace(/^runtime\./, ""), row.type].filter(Boolean).join(" of ");
}

// On a narrow screen a row has its site, with the verdict and the compiler's words below, and these two numbers; the other
// columns are in its details.
function isChief(measure) {
	return /(^|_)(objects|bytes)$/.test(measure.key) && !/heap_grow|indirect/.test(measure.key);
}

class WorkList {
	constructor(section, list) {
		this.section = section;
		this.list = list;
		this.open = new Set();
		this.sort = {by: list.ordered ? null : this.defaultSort(), descending: true};
		this.text = "";
		this.verdict = "";
		this.shown = rowsAtATime;
		this.lines = linesOf(data.rows.slice(list.first, list.first + list.count), list.ordered);
		this.texts = this.lines.map(line => line.rows.map(row => [row.function, row.file && `${row.file}:${row.line}`, row.via,
			row.call, row.type, row.verdict, row.words, row.benchmark].filter(Boolean).join("\n")).join("\n").toLowerCase());
		this.status = make("p", {class: "soft", role: "status"});
		this.body = make("tbody");
		this.more = make("button", {type: "button", onclick: () => { this.shown += rowsAtATime; this.draw(); }});
		this.table = make("table", {id: `${list.id}-table`, "aria-label": list.ordered ? list.caption : null},
			list.ordered ? null : make("caption", {}, list.caption), this.head(), this.body);
		section.querySelector(".static").replaceWith(...(list.ordered && list.count < rowsToFilter ? [] : [this.tools(), this.status]),
			make("div", {class: "scroll", tabindex: "0", role: "group", "aria-label": list.caption}, this.table), this.more);
		this.draw();
	}

	defaultSort() {
		const bytes = data.measures.findIndex(measure => measure.key === data.main);

		return bytes >= 0 ? bytes : 0;
	}

	// Beside an older side, a number weighs as much as it changed: what is gone, too, is among the first.
	weight(row, index) {
		const value = row.values?.[index] ?? null, before = row.before?.[index] ?? null;

		return value !== null && before !== null ? Math.abs(value - before) : value ?? before ?? -1;
	}

	columns() {
		const text = (name, get) => ({name, get, number: false});

		return [
			...(data.has_verdicts ? [{...text(data.verdict_name, row => row.verdict ?? ""), kind: "wide"}] : []),
			text("Site", row => `${row.file ?? ""}:${String(row.line ?? 0).padStart(7)}`),
			{...text("Call, type", callText), kind: "wide"},
			...data.measures.map((measure, index) => ({name: measure.name, get: row => this.weight(row, index), number: true, index, measure,
				kind: isChief(measure) ? "number" : "number wide"})),
			...(hasWords ? [{...text("Compiler", row => row.words ?? ""), kind: "wide"}] : []),
		];
	}

	head() {
		this.headings = this.columns().map(column => {
			const heading = make("th", {scope: "col", class: column.kind ?? null},
				make("button", {type: "button", onclick: () => this.sortBy(column)}, column.name));

			return {column, heading};
		});
		return make("thead", {}, make("tr", {}, ...this.headings.map(each => each.heading)));
	}

	sortBy(column) {
		const by = column.index ?? column.name;

		this.sort = {by, descending: this.sort.by === by ? !this.sort.descending : column.number};
		this.draw();
	}

	tools() {
		const filter = make("input", {type: "search", id: `${this.list.id}-filter`, oninput: event => {
			this.text = event.target.value.toLowerCase();
			this.shown = rowsAtATime;
			this.draw();
		}});
		const verdicts = make("select", {id: `${this.list.id}-verdict`, onchange: event => { this.verdict = event.target.value; this.draw(); }},
			make("option", {value: ""}, "all"), ...this.verdicts().map(verdict =>
				make("option", {value: verdict.name}, `${verdict.name} (${countText(verdict.rows)})`)));

		return make("div", {class: "tools"}, make("label", {}, "Filter", filter),
			this.hasVerdicts() ? make("label", {}, data.verdict_name, verdicts) : null);
	}

	verdicts() {
		return data.verdicts ?? [...new Set(this.lines.map(line => line.verdict))].map(name =>
			({name, rows: this.lines.filter(line => line.verdict === name).length}));
	}

	hasVerdicts() {
		return data.has_verdicts && this.verdicts().length > 1;
	}

	chosen() {
		const column = this.columns().find(each => (each.index ?? each.name) === this.sort.by);
		const direction = this.sort.descending ? -1 : 1;
		const list = [];

		for (let index = 0; index < this.lines.length; index++)
			if ((!this.text || this.texts[index].includes(this.text)) &&
			    (!this.verdict || this.lines[index].verdict === this.verdict))
				list.push(this.lines[index]);
		return column ? this.sorted(list, column, direction) : list;
	}

	// What no line of the program allocates is below the lines, however much it is: there is nothing to do about it.
	sorted(list, column, direction) {
		const keys = new Map(list.map(row => [row, column.get(row)]));
		const outside = new Set(list.filter(row => row.verdict === "outside"));

		return list.sort((a, b) => {
			const left = keys.get(a), right = keys.get(b);

			if (outside.has(a) !== outside.has(b))
				return outside.has(a) ? 1 : -1;
			return left < right ? -direction : left > right ? direction : 0;
		});
	}

	draw() {
		const list = this.chosen();

		for (const {column, heading} of this.headings) {
			const sorted = (column.index ?? column.name) === this.sort.by;

			heading.setAttribute("aria-sort", sorted ? this.sort.descending ? "descending" : "ascending" : "none");
		}
		this.body.replaceChildren(...list.slice(0, this.shown).flatMap(line => this.lineElements(line)));
		this.status.textContent = `${countText(list.length)} of ${countText(this.lines.length)} lines` +
			(list.length > this.shown ? `, the first ${countText(this.shown)} shown` : "");
		this.more.hidden = list.length <= this.shown;
		this.more.textContent = `Show ${countText(Math.min(rowsAtATime, list.length - this.shown))} more`;
	}

	lineElements(line) {
		if (line.rows.length === 1)
			return this.rowElements(line.rows[0]);
		const open = this.open.has(line.id);
		const outside = line.verdict === "outside";
		const place = outside ? "no line of the program" : `${line.file}:${line.line}`;
		const heading = make("tr", {id: line.id},
			...(data.has_verdicts ? [make("td", {class: "wide"}, line.verdict)] : []),
			make("td", {class: "place"}, make("button", {class: "open code", type: "button", "aria-expanded": String(open), title: place,
				onclick: () => this.toggle(line)}, outside ? place : `${shortFile(line.file)}:${line.line}`),
				make("span", {class: "range"}, `${countText(line.rows.length)} sites`), this.narrow(line)),
			make("td", {class: "wide"}),
			...data.measures.map((measure, index) => this.numberCell(line, measure, index)),
			...(hasWords ? [make("td", {class: "wide"})] : []));
		const main = Math.max(0, data.measures.findIndex(measure => measure.key === data.main));

		if (!open)
			return [heading];
		const members = this.sorted([...line.rows], {get: row => this.weight(row, main)}, -1);
		const shown = members.filter((row, index) => index < membersShown || this.open.has(row.id));

		return [heading, ...shown.flatMap(row => this.rowElements(row, "member")),
			...(shown.length < members.length ? [make("tr", {}, make("td", {colspan: String(this.columns().length), class: "soft"},
				`${countText(members.length - shown.length)} smaller sites are not listed here.`))] : [])];
	}

	// What a narrow screen shows below a site.
	narrow(row) {
		return data.has_verdicts ? make("span", {class: "range narrow"}, [row.verdict, row.words].filter(Boolean).join(": ")) : null;
	}

	rowElements(row, kind = null) {
		const open = this.open.has(row.id);
		const place = row.file ? `${row.file}:${row.line}` : row.function ?? "unknown";
		const elements = [make("tr", {id: row.id, class: kind},
			...(data.has_verdicts ? [make("td", {class: "wide"}, row.verdict)] : []),
			make("td", {class: "place"}, make("button", {class: "open code", type: "button", "aria-expanded": String(open), title: place,
				onclick: () => this.toggle(row)}, row.file ? `${shortFile(row.file)}:${row.line}` : place),
				" ", make("a", {href: `#${row.id}`, "aria-label": `link to ${place}`}, "#"),
				make("span", {class: "range"}, row.file ? row.function ?? "" : ""),
				row.via ? make("span", {class: "range"}, `via ${row.via}`) : null,
				row.gone && !data.has_verdicts ? make("span", {class: "range"}, "gone") : null,
				row.benchmark && !row.allocating ? make("span", {class: "range"}, `in ${row.benchmark}`) : null, this.narrow(row)),
			make("td", {class: "code call wide"}, callText(row)),
			...data.measures.map((measure, index) => this.numberCell(row, measure, index)),
			...(hasWords ? [make("td", {class: "words wide"}, row.words ?? "")] : []))];

		if (open)
			elements.push(make("tr", {}, make("td", {colspan: String(this.columns().length)}, rowDetails(row))));
		return elements;
	}

	numberCell(row, measure, index) {
		const value = row.values?.[index] ?? null, before = row.before?.[index];
		const known = !row.values_without?.[index] && !row.before_without?.[index];
		const change = known ? changeText(measure, before, value) : null, bounds = this.range(measure, row.bounds);

		return make("td", {class: isChief(measure) ? "number" : "number wide", "data-value": value === null ? "" : String(value),
				"data-before": before === undefined || before === null ? null : String(before)},
			this.sumText(row, "values", measure, index),
			row.rows?.some(each => each.bounds?.[measure.key]) && row.rows.length > 1
				? make("span", {class: "range"}, "interval unknown") : null,
			bounds ? make("span", {class: "range"}, bounds) : null,
			before === undefined ? null : make("span", {class: "range"}, this.beforeText(row, measure, index)),
			change ? make("span", {class: `range ${value > before ? "worse" : "better"}`}, change) : null,
			data.whole && value > 0 && data.whole[index] > 0 ? shareBar(value, data.whole[index]) : null);
	}

	// "3 to 11"; null if the number has no range.
	range(measure, bounds) {
		const [low, high] = bounds?.[measure.key] ?? [];

		return low === undefined ? null : `${measureText(measure, low)} to ${high === null ? "?" : measureText(measure, high)}`;
	}

	// A sum that lacks rows of which no sample was taken is a lower bound: "12..".
	sumText(row, member, measure, index) {
		const value = row[member]?.[index] ?? null;

		return measureText(measure, value) + (value !== null && row[`${member}_without`]?.[index] ? ".." : "");
	}

	beforeText(row, measure, index) {
		const bounds = this.range(measure, row.before_bounds), before = row.before[index];

		if (row.limit)
			return before === null ? "no limit" : `at most ${measureText(measure, before)}`;
		return `before ${this.sumText(row, "before", measure, index)}${bounds ? `, ${bounds}` : ""}`;
	}

	toggle(row) {
		if (!this.open.delete(row.id))
			this.open.add(row.id);
		this.draw();
		document.getElementById(row.id)?.querySelector("button").focus();
	}

	// Opens the row of a link. Returns whether it is in this list.
	reveal(id) {
		const line = this.lines.find(each => each.rows.some(row => row.id === id));

		if (!line)
			return false;
		this.open.add(id);
		if (line.rows.length > 1)
			this.open.add(line.id);
		this.text = this.verdict = "";
		for (const control of this.section.querySelectorAll(".tools input, .tools select"))
			control.value = "";
		this.shown = Math.max(this.shown, this.chosen().indexOf(line) + 1);
		this.draw();
		document.getElementById(id).closest("details")?.setAttribute("open", "");
		document.getElementById(id).scrollIntoView();
		return true;
	}
}
