module example.org/alive

go 1.19
