module example.org/successor

go 1.19
