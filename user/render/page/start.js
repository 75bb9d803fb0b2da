// Replaces the page's static tables by interactive ones. Without this script the page still shows the static tables.
const workLists = data.lists.map(list => new WorkList(document.getElementById(list.id), list));
let flame = null;

if (data.classes?.length)
	plotClasses(document.getElementById("classes"));
if (data.growth?.bytes.some(bytes => bytes > 0))
	plotGrowth(document.getElementById("growth"), data.growth);

function follow() {
	const [, kind, id] = location.hash.match(/^#(row|frame)-(\d+)$/) ?? [];

	if (kind === "row")
		workLists.some(list => list.reveal(`row-${id}`));
	else if (kind === "frame")
		flame?.reveal(Number(id));
}

function sayOfStacks(text) {
	document.querySelector("#flame .static")?.replaceChildren(text);
}

sayOfStacks("Reading the stacks\u2026");

// The tree may be large: it stands behind this script, and is read after the work list has been painted.
const treeRead = Promise.all([
	new Promise(done => requestAnimationFrame(() => setTimeout(done))),
	new Promise(done => addEventListener("DOMContentLoaded", done)),
]).then(() => CallTree.read(document.getElementById("tree").textContent)).then(tree => {
	callTree = tree;
	document.getElementById("tree").remove();
	if (tree.parent.length > 1 && document.getElementById("flame"))
		flame = new Flame(document.getElementById("flame"));
	workLists.filter(list => list.open.size).forEach(list => list.draw());
	if (location.hash.startsWith("#frame-"))
		follow();
}, () => {
	sayOfStacks("The stacks are missing: this browser cannot unpack them (it has no DecompressionStream).");
});

addEventListener("hashchange", follow);
follow();
