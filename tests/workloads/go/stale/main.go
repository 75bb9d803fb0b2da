// SPDX-License-Identifier: BSD-2-Clause

// stale allocates OBJECTS objects of one type, and before each leaves on its stack the words of another allocation of that
// size, of no type, for whoever reads arguments where none are.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
)

var kept [64][]byte
var sum uintptr

//go:noinline
func leave(first int) {
	var words [256]uintptr
	for i := range words {
		if i&1 == first {
			words[i] = 1000
		}
	}
	for _, word := range words {
		sum += word
	}
}

func main() {
	objects, _ := strconv.Atoi(os.Args[1])
	for i := 0; i < objects; i++ {
		leave(i >> 4 & 1)
		kept[i%len(kept)] = make([]byte, 1000)
	}
	if sum == 0 {
		fmt.Println(runtime.MemProfile(nil, true)) // so that the linker keeps the sampler
	}
}
