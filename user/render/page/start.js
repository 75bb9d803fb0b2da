// Brings the static page to life. Without this script the page still shows its tables.
const workList = new WorkList(document.getElementById("work"));
let flame = null;

if (data.classes.length)
	plotClasses(document.getElementById("classes"));
if (data.growth?.bytes.some(bytes => bytes > 0))
	plotGrowth(document.getElementById("growth"), data.growth);

function follow() {
	const [, kind, id] = location.hash.match(/^#(row|frame)-(\d+)$/) ?? [];

	if (kind === "row")
		workList.reveal(`row-${id}`);
	else if (kind === "frame")
		flame?.reveal(Number(id));
}

if (data.tree)
	document.querySelector("#flame .static").textContent = "The stacks are being read.";

// The tree may be large: it is read once the work list has been painted.
const treeRead = new Promise(done => requestAnimationFrame(() => setTimeout(done))).then(() => CallTree.read(data.tree)).then(tree => {
	callTree = tree;
	data.tree = null;
	if (tree.parent.length > 1)
		flame = new Flame(document.getElementById("flame"));
	if (workList.open.size)
		workList.draw();
	if (location.hash.startsWith("#frame-"))
		follow();
}, () => {
	document.querySelector("#flame .static").textContent = "This browser cannot unpack the stacks of this page (DecompressionStream).";
});

addEventListener("hashchange", follow);
follow();
