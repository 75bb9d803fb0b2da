// SPDX-License-Identifier: BSD-2-Clause

// Recursion allocates at the end of more calls than a recording keeps of a stack, and at the end of a few.
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

//go:noinline
func left() { descend(300) }

//go:noinline
func right() { descend(3000) }

//go:noinline
func beyond() { descend(30000) }

func main() {
	for i := 0; i < 50; i++ {
		left()
		right()
		beyond()
		descend(3)
	}
}
