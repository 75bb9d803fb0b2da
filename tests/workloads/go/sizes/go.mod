module example.org/sizes

go 1.19
