module example.org/recursion

go 1.19
