// SPDX-License-Identifier: BSD-2-Clause

// Recursion allocates below more calls than a recording keeps of a stack, and below a few.
package main

type node struct{ words [5]int }

var sink *node

//go:noinline
func leaf() { sink = new(node) }

//go:noinline
func descend(depth int) int {
	if depth == 0 {
		leaf()
		return 1
	}
	return descend(depth-1) + 1
}

func main() {
	for i := 0; i < 50; i++ {
		descend(300)
		descend(3)
	}
}
