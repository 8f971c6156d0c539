Throws five million numbers below 256 and prints as many stars as
there were throws of 0 modulo 256
c0 c1 c2 countdowns; c3 the throw; c4 scratch; c5 1 if it is 0; c6 how many

>++++++++++[-<++++++++++>]<
[-
  >>++++++++++[-<++++++++++++++++++++>]<
  [-
    >>>++++++++++[-<<+++++++++++++++++++++++++>>]<<
    [-
      five times the last throw and 3
      >[->+++++<]>[-<+>]<+++
      >>+<<[>>-<<[->+<]]>[-<+>]
      >[->+<]
      <<<
    ]<
  ]<
]
>++++++[->+++++++<]
>>>>>[<<<<.>>>>-]
<<<<<++++++++++.
