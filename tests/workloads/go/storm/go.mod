module example.org/storm

go 1.19
