Small letters to capitals until the input ends or a zero comes
,[>++++[<-------->-]<.[-],]
