module example.org/sites

go 1.19
