module example.org/jsonserver

go 1.19
