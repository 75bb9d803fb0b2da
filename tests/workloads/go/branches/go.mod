module example.org/branches

go 1.19
