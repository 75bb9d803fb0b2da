// Brings the static page to life. Without this script the page still shows its tables.
const workList = new WorkList(document.getElementById("work"));
const flame = callTree.parent.length > 1 ? new Flame(document.getElementById("flame")) : null;

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
addEventListener("hashchange", follow);
follow();
