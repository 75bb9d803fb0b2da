// SPDX-License-Identifier: BSD-2-Clause

// Storm is as hard to observe as possible: thousands of goroutines at a time grow their stacks, allocate at every
// depth, block on each other and are preempted, while the collector runs all the time (GOGC=5). Each goroutine checks
// its result; a wrong one ends the program at once with status 3.
//
//	storm GOROUTINES
//
// runs until its input ends, and then prints how many results were right.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
)

type node struct {
	next  *node
	value int
	text  string
}

// grow needs a larger stack at each depth, and allocates a heap object there.
func grow(depth, seed int, list *node) *node {
	var room [256]byte
	room[depth%len(room)] = byte(seed)
	list = &node{list, depth * seed, strconv.Itoa(depth + seed)}
	if depth > 0 {
		list = grow(depth-1, seed, list)
	}
	if room[depth%len(room)] != byte(seed) {
		wrong("stack")
	}
	return list
}

func wrong(what string) {
	fmt.Println("wrong", what)
	os.Exit(3)
}

func work(seed int, from, to chan int) {
	depth := seed % 97
	list := grow(depth, seed, nil)
	got := <-from // the neighbour's result
	sum := got
	for at := 0; list != nil; list, at = list.next, at+1 {
		if list.value != at*seed || list.text != strconv.Itoa(at+seed) {
			wrong("list")
		}
		sum += list.value
	}
	if sum-got != seed*depth*(depth+1)/2 {
		wrong("sum")
	}
	to <- sum
}

// round runs that many goroutines, each of which waits for the one before, and checks the result of the last one.
func round(goroutines int) {
	want := 0
	first := make(chan int, 1)
	from := first
	for seed := 1; seed <= goroutines; seed++ {
		depth := seed % 97
		want += seed * depth * (depth + 1) / 2
		to := make(chan int, 1)
		go work(seed, from, to)
		from = to
	}
	first <- 0
	if got := <-from; got != want {
		wrong("total")
	}
}

func main() {
	goroutines, _ := strconv.Atoi(os.Args[1])
	debug.SetGCPercent(5)
	var rounds, stop int64
	var group sync.WaitGroup
	for i := 0; i < 2; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for atomic.LoadInt64(&stop) == 0 {
				round(goroutines)
				atomic.AddInt64(&rounds, 1)
			}
		}()
	}
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	atomic.StoreInt64(&stop, 1)
	group.Wait()
	fmt.Println(rounds, "rounds right")
}
