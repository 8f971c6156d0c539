The last of 4000 generations of a cellular automaton
A cell lives on if not both neighbours live and is born where the left one lives
A cell has four cells here: 1 if in use; state; old state to the left; scratch
The group in front has a 0 first and holds both counters

c1 is 200
>>++++++++++[<++++++++++++++++++++>-]<
one living cell
>>>+>+<<<<
[-
  >++++++++++++++++++++[->>
    every cell
    [
      the old state goes to the scratch and to the next cell
      >[->>+>>>+<<<<<]
      unless it lives its state is what the left one had
      >[-<+>]>
      if it lives it counts its neighbours
      [->>[-<<+>>]<<[->>+<<<<+>>]
        and dies of two
        <+<[-[->-<]]>[-<+>]>
      ]
      >
    ]
    one more cell at the right
    +>>[-<+>]<<
    [<<<<]>>
  ]<
]
a star for a living cell and a point for a dead one
c1 and c2 and c3 are zero
>>>
[
  >>[-]>++++++[-<+++++++>]<
  ++++<
  [->----<]
  >.[-]>>
]
++++++++++.
