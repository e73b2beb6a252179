(* A certificate that Rocq checks, written by spechub-lp check-certificate --rocq.

   3 drafts at 4 tokens. Compile it in the folder theory of spechub_lp, after `make`:

     coqc -Q dominance Dominance -Q border Border -Q certificates Certificates FILE.v

   It compiles only if alpha is the optimum. Print Assumptions says what the proof rests on. *)

From Coq Require Import BinPos BinInt.
From Dominance Require Import Program.
From Certificates Require Import Fractions Checker Policies.
From mathcomp Require Import all_ssreflect ssralg ssrnum.

Definition p : seq fraction :=
  ([:: 1 // 10; 1 // 10; 1 // 5; 3 // 5])%fraction.

Definition drafted : policy :=
  (WithoutReplacement [:: 2 // 5; 3 // 10; 1 // 5; 1 // 10] 0)%fraction.

Definition proof : certificate :=
  (Certificate p
  [:: ([:: 0; 1; 2], [:: (0, 1 // 10); (1, 1 // 30)]);
     ([:: 0; 1; 3], [:: (3, 1 // 15)]);
     ([:: 0; 2; 1], [:: (1, 1 // 15); (2, 1 // 30)]);
     ([:: 0; 2; 3], [:: (3, 1 // 30)]);
     ([:: 0; 3; 1], [:: (3, 1 // 25)]);
     ([:: 0; 3; 2], [:: (3, 2 // 75)]);
     ([:: 1; 0; 2], [:: (2, 4 // 35)]);
     ([:: 1; 0; 3], [:: (3, 2 // 35)]);
     ([:: 1; 2; 0], [:: (2, 11 // 210); (3, 17 // 1050)]);
     ([:: 1; 2; 3], [:: (3, 3 // 175)]);
     ([:: 1; 3; 0], [:: (3, 1 // 35)]);
     ([:: 1; 3; 2], [:: (3, 1 // 70)]);
     ([:: 2; 0; 1], [:: (3, 3 // 40)]);
     ([:: 2; 0; 3], [:: (3, 1 // 40)]);
     ([:: 2; 1; 0], [:: (3, 3 // 50)]);
     ([:: 2; 1; 3], [:: (3, 3 // 200)]);
     ([:: 2; 3; 0], [:: (3, 1 // 70)]);
     ([:: 2; 3; 1], [:: (3, 3 // 280)]);
     ([:: 3; 0; 1], [:: (3, 2 // 75)]);
     ([:: 3; 0; 2], [:: (3, 4 // 225)]);
     ([:: 3; 1; 0], [:: (3, 1 // 45)]);
     ([:: 3; 1; 2], [:: (3, 1 // 90)]);
     ([:: 3; 2; 0], [:: (3, 4 // 315)]);
     ([:: 3; 2; 1], [:: (3, 1 // 105)])]
  [:: 0; 1; 2] (713 // 840))%fraction.

Lemma accepted : well_formed 3 3 drafted && check 3.+1 3 (computed drafted) proof.
Proof. by vm_compute. Qed.

(* `joint` is the distribution of the drafts, and p as a function of tokens is `masses R p` *)
Theorem optimum (R : realFieldType) :
  [/\ law (joint R 3 3 drafted), law (masses R p : 'I_3.+1 -> R)
    & is_optimum (joint R 3 3 drafted) (masses R p) (rational R (713 // 840))].
Proof. exact: certified accepted. Qed.

Print Assumptions optimum.
