// SPDX-License-Identifier: BSD-2-Clause

// Threads ends a thread and needs a new one all the time, and does little else: a goroutine that ends while it is locked to
// its thread takes it along. What a new thread needs is allocated by the scheduler, while no goroutine runs. Runs until its
// input ends.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"time"
)

func main() {
	go func() {
		for {
			done := make(chan bool)
			go func() {
				runtime.LockOSThread()
				close(done)
			}()
			<-done
			time.Sleep(50 * time.Microsecond)
		}
	}()
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
}
