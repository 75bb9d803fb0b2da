module example.org/rhythm

go 1.19
