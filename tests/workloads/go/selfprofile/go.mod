module example.org/selfprofile

go 1.19
