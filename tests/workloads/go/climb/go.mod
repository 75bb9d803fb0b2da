module example.org/climb

go 1.19
