A star for each prime from 3 to 250 and a point for each other number
c0 the number; c1 divisor less 1; c2 steps; c3 countdown; c4 1 if it is over
c5 and c6 scratch; c7 1 if it was over at the last step; c8 divisors; c9 numbers left

c0 is 2 and c9 is 248
++>>>>>>>>>--------
[-<<<<<<<<<
  next number
  +
  divisors from the number less 1 down to 2
  [->+>>>>+<<<<<]>>>>>[-<<<<<+>>>>>]<<<<--
  [
    as many steps as the number
    <[->>+>>>+<<<<<]>>>>>[-<<<<<+>>>>>]<<<<
    countdown from the divisor
    [->>+>>+<<<<]>>>>[-<<<<+>>>>]<<+<
    [-
      >>>>>[-]<<<<
      -
      >+<[->>+>+<<<]>>>[-<<<+>>>]<[<->[-]]<
      and again from the divisor
      [-<<<[->>+>>+<<<<]>>>>[-<<<<+>>>>]<<+>>>>+<<<]
      <<
    ]
    >>>>>[->+<]<<<<[-]<<-
  ]
  >>>>++++++[->+++++++<]
  >>>[<<++++>>[-]]
  <<.[-]
  >>>
]
++++++++++.
